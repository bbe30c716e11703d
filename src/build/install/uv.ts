import { chmod, copyFile, cp, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { GuardRefused } from "../../upstream/guard.ts";
import type { Proxy } from "../../upstream/proxy.ts";
import { keepTail, runChild, type ChildResult } from "../child.ts";
import type { Interpreter } from "../plan/interpreter.ts";
import type { Origin } from "../plan/requirements.ts";
import type { Mount } from "../ports.ts";
import type { StepContext } from "../services.ts";
import { stripUserInfo } from "../source/url.ts";
import type { Indexes } from "./indexes.ts";

/** What every call of uv in one build shares. */
export interface Uv {
  readonly context: StepContext;
  readonly program: string;
  readonly indexes: Indexes;
  readonly proxy: Proxy;
  readonly interpreter: Interpreter;
  /** Others that the project admits. */
  readonly others: readonly Interpreter[];
  /** Where the requirements stand, for the words of a failure. */
  readonly origins: readonly Origin[];
  /** The version for back-ends that would ask Git. */
  readonly version: string;
  /** Makes the sandbox's folders; only once, because afterwards what lies in them is not to be trusted. */
  ready(): Promise<void>;
  /** One sandboxed command at a time: each runs under a uid of its own, and all write one cache. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
  /** What the guard refused since the last look; it names what uv's own words hide. */
  refused(): GuardRefused | undefined;
}

/** What a sandboxed command sees of the work folder. */
export const inside = "/build";

/**
 * Runs uv as ourselves. It must be given only files that we wrote: uv runs code
 * of a project folder (editable requirements, a committed `.venv`) unasked.
 */
export async function trustedUv(uv: Uv, args: readonly string[], cacheDir: string): Promise<ChildResult> {
  const { context, indexes, proxy } = uv;
  const folder = join(context.work, "uv");
  await mkdir(folder, { recursive: true });
  const tell = teller(uv);
  return runChild({
    argv: [uv.program, ...args],
    cwd: folder,
    env: {
      ...indexEnv(indexes, await existing(indexes.findLinks)),
      ...commonEnv,
      PATH: context.services.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
      HOME: folder,
      UV_NO_CONFIG: "1",
      UV_CACHE_DIR: cacheDir,
      HTTP_PROXY: proxy.url,
      HTTPS_PROXY: proxy.url,
      ...(indexes.certificates === null ? {} : { SSL_CERT_FILE: indexes.certificates }),
    },
    signal: context.signal,
    onLine: (stream, text) => stream === "err" && tell(stream, text),
  });
}

export interface SandboxedUv {
  readonly args: readonly string[];
  /** Below `/build`. */
  readonly cwd: string;
  readonly network: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Tells nothing while it runs; `uvFailure` then tells its end. */
  readonly quiet?: boolean;
}

/** The folder that a sandboxed uv may write; mounted at `/build`. */
export function sandboxFolder(context: StepContext): string {
  return join(context.work, "sandbox");
}

/** Files that we wrote, for uv to read; mounted read-only at `/input`. */
export function inputFolder(context: StepContext): string {
  return join(context.work, "input");
}

/** Runs uv, and whatever of the author's it starts, in the sandbox. */
export function sandboxedUv(uv: Uv, command: SandboxedUv): Promise<ChildResult & { reason: string | null }> {
  return uv.inTurn(() => runSandboxed(uv, command));
}

async function runSandboxed(uv: Uv, command: SandboxedUv): Promise<ChildResult & { reason: string | null }> {
  const { context, indexes, proxy } = uv;
  await uv.ready();
  const links = await existing(indexes.findLinks);
  const mounts: Mount[] = [
    { source: sandboxFolder(context), target: inside, writable: true },
    { source: inputFolder(context), target: "/input", writable: false },
    { source: uv.program, target: "/tools/uv", writable: false },
    ...uv.interpreter.prefixes
      .filter((path) => path !== "/usr" && !path.startsWith("/usr/"))
      .map((path) => ({ source: path, target: path, writable: false })),
  ];
  const seen = links.map((link, i) => {
    if (/^https?:/.test(link)) return link;
    mounts.push({ source: link, target: `/links${i}`, writable: false });
    return `/links${i}`;
  });
  const kept = { out: "", err: "" };
  const tell = teller(uv);
  const result = await context.services.sandbox.run({
    argv: ["/tools/uv", ...command.args],
    cwd: join(inside, command.cwd),
    env: {
      ...indexEnv(withoutSecrets(indexes), seen),
      ...commonEnv,
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: `${inside}/home`,
      TMPDIR: `${inside}/tmp`,
      UV_CACHE_DIR: `${inside}/cache`,
      ...(indexes.certificates === null ? {} : { SSL_CERT_FILE: "/input/certificates.pem" }),
      ...(command.network ? {} : { UV_OFFLINE: "1" }),
      ...command.env,
    },
    mounts,
    network: command.network ? { kind: "proxy", proxySocket: proxy.socket } : { kind: "none" },
    limits: {
      memoryMb: context.limits.memoryMb,
      processes: context.limits.processes,
      fileBytes: context.limits.diskBytes,
    },
    signal: context.signal,
    onLine(stream, text) {
      kept[stream] = keepTail(kept[stream], text);
      if (command.quiet !== true) tell(stream, text);
    },
  });
  await context.disk.check();
  context.signal.throwIfAborted();
  if (result.reason !== null) context.say(`the sandbox ended it: ${result.reason}`);
  return { ...result, ...kept };
}

/** The cache that only trusted uv writes. */
export function sharedCache(uv: Uv): string {
  return join(uv.context.services.cacheDir, "uv");
}

/** Tells back-ends the version that they would ask Git for: a checkout has no tags. */
export function versionEnv(uv: Uv): Record<string, string> {
  const { version } = uv;
  return {
    SETUPTOOLS_SCM_PRETEND_VERSION: version,
    PDM_BUILD_SCM_VERSION: version,
    POETRY_DYNAMIC_VERSIONING_BYPASS: version,
    UV_DYNAMIC_VERSIONING_BYPASS: version,
  };
}

const commonEnv = {
  NO_COLOR: "1",
  LC_ALL: "C.UTF-8",
  UV_NO_PROGRESS: "1",
  UV_PYTHON_DOWNLOADS: "never",
  PYTHONDONTWRITEBYTECODE: "1",
} as const;

/** By variables, not by flags: an index's address may carry a password, and argv is public. */
function indexEnv(indexes: Indexes, links: readonly string[]): Record<string, string> {
  return {
    UV_DEFAULT_INDEX: indexes.index,
    ...(indexes.extra.length > 0 ? { UV_INDEX: indexes.extra.join(" ") } : {}),
    ...(links.length > 0 ? { UV_FIND_LINKS: links.join(",") } : {}),
    ...(indexes.insecureHosts.length > 0 ? { UV_INSECURE_HOST: indexes.insecureHosts.join(" ") } : {}),
  };
}

function withoutSecrets(indexes: Indexes): Indexes {
  return { ...indexes, index: stripUserInfo(indexes.index), extra: indexes.extra.map(stripUserInfo) };
}

async function existing(links: readonly string[]): Promise<string[]> {
  const checked = await Promise.all(
    links.map(async (link) =>
      /^https?:/.test(link) || (await stat(link).catch(() => undefined))?.isDirectory() ? link : null,
    ),
  );
  return checked.filter((link) => link !== null);
}

/** Makes what sandboxed commands see, with a copy of the checkout at `source`. */
export async function prepareSandbox(context: StepContext, indexes: Indexes, source: string): Promise<void> {
  const folder = sandboxFolder(context);
  await mkdir(inputFolder(context), { recursive: true });
  for (const name of ["cache", "out", "home", "tmp"]) await mkdir(join(folder, name), { recursive: true });
  await cp(source, join(folder, "source"), { recursive: true, verbatimSymlinks: true });
  // Open to all, because the sandbox runs under a uid of its own; the work folder above is 0700.
  await openToAll(folder);
  if (indexes.certificates !== null) {
    await copyFile(indexes.certificates, join(inputFolder(context), "certificates.pem"));
  }
}

async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o777);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, (await stat(path)).mode | 0o666);
  }
}

/**
 * Tells what uv says while it runs. From its `error:` on nothing: those words
 * are told once, by `uvFailure`, where they are the end of a build. Paths of the
 * platform are nobody's business.
 */
function teller(uv: Uv): (stream: "out" | "err", text: string) => void {
  let failed = false;
  return (stream, text) => {
    failed ||= text.startsWith("error: ");
    if (failed || text.trim() === "" || /^(?:hint:|Using (?:C?Python|Python) )/.test(text)) return;
    uv.context.say(text.replaceAll(`${uv.context.work}/`, ""), stream);
  };
}
