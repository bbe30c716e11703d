import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { randomText } from "../lib/ids.ts";
import { isAlive, processStart } from "../lib/process.ts";
import { webDigest } from "./web-sources.ts";

export class WebBuildError extends Error {
  override readonly name = "WebBuildError";
  /** The last lines that the build printed. */
  readonly output: readonly string[];

  constructor(message: string, output: readonly string[] = []) {
    super(message);
    this.output = output;
  }
}

export interface WebPlaces {
  /** The checkout. */
  readonly root: string;
  /** Where builds go when the checkout cannot be written. */
  readonly cacheDir: string;
}

const WITHIN_MS = 5 * 60_000;
const LINES = 40;
/** Older builds may serve a checkout that goes back to an older commit. */
const KEPT = 3;
const LOOK_AGAIN_MS = 200;

const folders = ({ root, cacheDir }: WebPlaces) => [join(root, "web/dist"), join(cacheDir, "web")];

/** The folder of the build that belongs to the sources as they are, or undefined: none, or stale. */
export async function findWebBuild(places: WebPlaces): Promise<string | undefined> {
  const digest = await webDigest(places.root);
  for (const folder of folders(places)) if (await exists(join(folder, digest))) return join(folder, digest);
  return undefined;
}

/**
 * Builds the pages in a process of its own, at the lowest priority, unless
 * that is done; resolves with the folder. Each build lies in a folder named by
 * its sources' digest and appears there whole. Programs that start together
 * build once. Throws WebBuildError, and `signal.reason` when told to stop.
 */
export async function buildWeb(
  places: WebPlaces,
  options: { readonly signal: AbortSignal; readonly say: (text: string) => void },
): Promise<string> {
  const place = await writable(places, options.say);
  const lock = join(place, ".lock");
  const mine = ownName();
  try {
    for (;;) {
      const found = await findWebBuild(places);
      if (found !== undefined) return found;
      options.signal.throwIfAborted();
      if (await take(lock, mine)) break;
      // Another program builds: what it makes is as good for us.
      await delay(LOOK_AGAIN_MS, undefined, { signal: options.signal });
    }
  } catch (error) {
    options.signal.throwIfAborted();
    throw error;
  }
  try {
    await sweep(place);
    return await attempt(places, place, options.signal);
  } finally {
    await release(lock, mine);
  }
}

async function attempt(places: WebPlaces, place: string, signal: AbortSignal): Promise<string> {
  const half = join(place, `.half-${process.pid}-${processStart(process.pid)}-${randomText(8)}`);
  try {
    for (let round = 0; round < 3; round++) {
      const digest = await webDigest(places.root);
      await runVite(places.root, half, signal);
      // Somebody may have saved a file meanwhile: this build is then of no known sources.
      if ((await webDigest(places.root)) !== digest) continue;
      const folder = join(place, digest);
      await rename(half, folder).catch(async (error: unknown) => {
        if (!(await exists(folder))) throw error;
      });
      return folder;
    }
  } finally {
    await rm(half, { recursive: true, force: true });
  }
  throw new WebBuildError("the sources of the pages changed while they were built, three times over");
}

async function runVite(root: string, outDir: string, signal: AbortSignal): Promise<void> {
  const lines: string[] = [];
  const vite = join(root, "node_modules/vite/bin/vite.js");
  const args = ["build", "--config", join(root, "web/vite.config.ts"), "--configLoader", "native"];
  // Should we be killed, the kernel ends it.
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", process.execPath, vite, ...args, "--outDir", outDir, "--emptyOutDir"],
    {
      cwd: root,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_ENV: "production", NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const keep = (chunk: Buffer) => {
    lines.push(
      ...String(chunk)
        .split("\n")
        .filter((line) => line.trim() !== ""),
    );
    lines.splice(0, lines.length - LINES);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const stop = () => void child.kill("SIGKILL");
  const timer = setTimeout(stop, WITHIN_MS);
  signal.addEventListener("abort", stop);
  try {
    lowest(child);
    if (signal.aborted) stop();
    const [code, killedBy] = (await once(child, "close")) as [number | null, string | null];
    signal.throwIfAborted();
    if (code !== 0) throw new WebBuildError(`vite ended with ${killedBy ?? `exit code ${code}`}`, lines);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WebBuildError) throw error;
    throw new WebBuildError(`vite could not be run: ${(error as Error).message}`, lines);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

function lowest({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It ended already, or this machine does not let us: then it runs as everything does.
  }
}

/** The first folder that takes files: a checkout may be read-only, or somebody else's. */
async function writable(places: WebPlaces, say: (text: string) => void): Promise<string> {
  const [first, second] = folders(places) as [string, string];
  try {
    await mkdir(first, { recursive: true });
    const probe = join(first, `.probe-${randomText(8)}`);
    await writeFile(probe, "");
    await rm(probe, { force: true });
    return first;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EROFS" && code !== "EPERM") throw error;
    say(`This checkout cannot be written, so the pages are built in ${second}.`);
    await mkdir(second, { recursive: true });
    return second;
  }
}

/** What this program writes into its lock. */
function ownName(): string {
  return JSON.stringify({ pid: process.pid, start: processStart(process.pid) });
}

/** Takes the lock, also from a program that is no more; false while another holds it. */
async function take(lock: string, mine: string): Promise<boolean> {
  const made = await writeFile(lock, mine, { flag: "wx" }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
  if (made) return true;
  const text = await readFile(lock, "utf8").catch(() => undefined);
  if (text === undefined) return false;
  if (text === "") {
    // Being written, or left by a kill in that very moment.
    if (Date.now() - ((await stat(lock).catch(() => undefined))?.mtimeMs ?? Date.now()) > 2000)
      await release(lock, text);
  } else if (!isHeld(text)) await release(lock, text);
  return false;
}

/** Whether a lock's text names a program that lives; what names none is nobody's. */
function isHeld(text: string): boolean {
  try {
    const { pid, start } = JSON.parse(text) as { pid?: unknown; start?: unknown };
    return typeof pid === "number" && typeof start === "string" && isAlive(pid, start);
  } catch {
    return false;
  }
}

/**
 * Removes a lock that still holds `text`: another may have taken it over. In
 * the moment between, one can still lose it; two that build at once then do
 * the same work twice, and neither touches the other's folder.
 */
async function release(lock: string, text: string): Promise<void> {
  if ((await readFile(lock, "utf8").catch(() => undefined)) === text) await rm(lock, { force: true });
}

/** Whether a half-made build's folder is of a program that lives. */
function isUnderWay(name: string): boolean {
  const [, pid, start] = /^\.half-(\d+)-(\d+)-/.exec(name) ?? [];
  return pid !== undefined && start !== undefined && isAlive(Number(pid), start);
}

/** Removes what killed builds left, and builds of long ago. */
async function sweep(place: string): Promise<void> {
  const finished: { path: string; at: number }[] = [];
  for (const name of await readdir(place)) {
    const path = join(place, name);
    if (name.startsWith(".probe-") || (name.startsWith(".half-") && !isUnderWay(name)))
      await rm(path, { recursive: true, force: true });
    else if (/^[0-9a-f]{20}$/.test(name)) finished.push({ path, at: (await stat(path)).mtimeMs });
  }
  finished.sort((a, b) => b.at - a.at);
  for (const { path } of finished.slice(KEPT - 1)) await rm(path, { recursive: true, force: true });
}

async function exists(folder: string): Promise<boolean> {
  return stat(join(folder, "index.html")).then(
    () => true,
    () => false,
  );
}
