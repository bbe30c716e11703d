import { chmod, copyFile, cp, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { GuardRefused } from "../../upstream/guard.ts";
import type { Proxy } from "../../upstream/proxy.ts";
import { printable } from "../../lib/printable.ts";
import { BuildError } from "../build.ts";
import { keepTail, runChild, type ChildResult } from "../child.ts";
import type { Interpreter } from "../plan/interpreter.ts";
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
    onLine: (stream, text) => stream === "err" && tell(uv, stream, text),
  });
}

export interface SandboxedUv {
  readonly args: readonly string[];
  /** Below `/build`. */
  readonly cwd: string;
  readonly network: boolean;
  readonly env?: Readonly<Record<string, string>>;
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
      tell(uv, stream, text);
    },
  });
  await context.disk.check();
  context.signal.throwIfAborted();
  if (result.reason !== null) context.say(`the sandbox ended it: ${result.reason}`);
  return { ...result, ...kept };
}

/** Turns uv's failure into the sentence that its author needs. */
export function uvFailure(uv: Uv, result: ChildResult, doing: string): BuildError {
  // Much of it may be the author's own output: every pattern below takes time in proportion to its length.
  const text = printable(stripUserInfo(result.err.replaceAll(`${uv.context.work}/`, "")), true).replace(
    /\n{2,}/g,
    "\n",
  );
  const refused = uv.refused();
  if (refused && /403|refused|tunnel|proxy/i.test(text)) {
    return new BuildError("install", "dependency_refused", refused.message, { cause: refused });
  }
  const causes = [...text.matchAll(/^[ ]{0,40}(?:cause:|╰─▶|├─▶|×)[ ]{0,40}(.*(?:\n {6,}.*)*)/gm)].map(
    (match) => (match[1] ?? "").replace(/\s+/g, " ").trim(),
  );
  const first = /^error: (.*)$/m.exec(text)?.[1] ?? `uv ended with code ${result.code}`;
  const hint = /^hint: (.*)$/m.exec(text)?.[1] ?? null;
  for (const line of text.split("\n")) {
    if (/^(?:error:|hint:| {1,40}cause:)/.test(line)) uv.context.say(line, "err");
  }
  const fail = (code: string, message: string, advice: string): BuildError =>
    new BuildError("install", code, message, { hint: hint ?? advice, traceback: pythonTraceback(text) });
  if (/No space left|Disk quota/i.test(text)) {
    return fail("disk_full", "The disk of the machine that builds is full.", "Free space and deploy again.");
  }
  if (/Failed to build|Build backend failed|build_wheel|prepare_metadata|egg_info/i.test(text)) {
    return fail(
      "dependency_build_failed",
      `${doing}: ${first}`,
      "Look at the lines above; a release with wheels avoids the build.",
    );
  }
  if (/No solution found|unsatisfiable|not found in the package registry/i.test(text)) {
    return fail(
      "dependencies_unresolvable",
      causes.at(-1) ?? first,
      "Change the named requirement and deploy again.",
    );
  }
  if (/Failed to fetch|error sending request|dns error|connect|timed out|Network/i.test(text)) {
    return fail(
      "index_unreachable",
      `${doing}: ${causes.at(-1) ?? first}`,
      "Check that this machine reaches its package index.",
    );
  }
  if (/Couldn't parse|Failed to parse|invalid|Expected/i.test(text)) {
    return fail(
      "requirements_invalid",
      `${doing}: ${causes.at(-1) ?? first}`,
      "Correct the requirement and deploy again.",
    );
  }
  return fail("install_failed", `${doing}: ${causes.at(-1) ?? first}`, "Look at the lines above.");
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

/** uv's own summary of a failure is told once, by `uvFailure`; paths of the platform are nobody's business. */
function tell(uv: Uv, stream: "out" | "err", text: string): void {
  if (text.trim() === "" || /^(?:error:|hint:|\s+cause:|Using (?:C?Python|Python) )/.test(text)) return;
  uv.context.say(text.replaceAll(`${uv.context.work}/`, ""), stream);
}

function pythonTraceback(text: string): string | null {
  const at = text.lastIndexOf("Traceback (most recent call last)");
  return at < 0 ? null : text.slice(at).split("\n").slice(0, 40).join("\n").trim();
}
