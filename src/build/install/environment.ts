import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { removeFolder, sweep } from "../folders.ts";
import type { StepContext } from "../services.ts";
import { again } from "./again.ts";
import { compileAll } from "./bytecode.ts";
import { uvFailure } from "./failure.ts";
import { environmentKey, printLock, type Locked } from "./lock.ts";
import { wantsBuild } from "./resolve.ts";
import { sharedCache, trustedUv, type Uv } from "./uv.ts";
import type { BuiltWheel } from "./wheels.ts";

/** A Python environment that is finished and will not change. */
export interface Environment {
  readonly key: string;
  readonly path: string;
  /** True when only its organization may use it. */
  readonly private: boolean;
  /** `name==version`, sorted. */
  readonly packages: readonly string[];
  readonly reused: boolean;
}

const MARKER = "offing-environment.json";
/** Of the environments beside a fresh one, those that are looked at. */
const MOST_SIBLINGS = 500;

/** Where an environment lies, once it is there. */
export function environmentPath(dataDir: string, organization: string | null, key: string): string {
  return organization === null
    ? join(dataDir, "environments", key)
    : join(dataDir, "organizations", organization, "environments", key);
}

/** The environment at `path`, or undefined when it is not there whole. */
export async function readEnvironment(path: string): Promise<readonly string[] | undefined> {
  return (await readMarker(path))?.packages;
}

interface Marker {
  readonly key: string;
  readonly packages: readonly string[];
  /** The interpreter it was made from. */
  readonly python?: string;
}

async function readMarker(path: string): Promise<Marker | undefined> {
  const text = await readFile(join(path, MARKER), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Marker);
}

/**
 * Makes the environment of a lock from ready wheels, hard-linked from the
 * shared cache, or finds the one that is there. Returns undefined when
 * something of the lock has no ready wheel. Throws BuildError of step `install`.
 */
export function environmentFromWheels(uv: Uv, lock: readonly Locked[]): Promise<Environment | undefined> {
  // Without a hash nobody vouches for the file, so it does not enter what others use.
  const shared = lock.every((entry) => entry.hashes.length > 0);
  const organization = shared ? null : uv.context.organization;
  const key = environmentKey(lock, uv.interpreter, shared ? [] : [uv.context.organization]);
  const cache = shared ? sharedCache(uv) : privateCache(uv.context);
  return makeEnvironment(uv, { key, organization, cache, list: printLock(lock), hashed: shared, lock });
}

/** The environment of a lock with wheels that were built here. Nothing of it is shared with other organizations. */
export async function environmentWithBuilt(
  uv: Uv,
  lock: readonly Locked[],
  built: readonly BuiltWheel[],
  key: string,
): Promise<Environment> {
  const names = new Set(built.map(({ name }) => name));
  const ready = lock.filter((entry) => !entry.fromSource && !names.has(entry.name ?? ""));
  const own = built.map(
    (wheel) => `${wheel.name} @ ${pathToFileURL(wheel.path).href} --hash=sha256:${wheel.sha256}\n`,
  );
  const made = await makeEnvironment(uv, {
    key,
    organization: uv.context.organization,
    cache: privateCache(uv.context),
    list: printLock(ready) + own.join(""),
    hashed: ready.every((entry) => entry.hashes.length > 0),
    lock: ready,
  });
  if (made) return made;
  throw uvFailure(
    uv,
    { code: 1, out: "", err: "error: a dependency has no wheel after it was built" },
    "The environment could not be made",
  );
}

interface Recipe {
  readonly key: string;
  readonly organization: string | null;
  readonly cache: string;
  readonly list: string;
  readonly hashed: boolean;
  /** What the index is to have. */
  readonly lock: readonly Locked[];
}

async function makeEnvironment(uv: Uv, recipe: Recipe): Promise<Environment | undefined> {
  const { context, interpreter } = uv;
  const path = environmentPath(context.services.dataDir, recipe.organization, recipe.key);
  const isPrivate = recipe.organization !== null;
  const there = await readEnvironment(path);
  if (there) return { key: recipe.key, path, private: isPrivate, packages: there, reused: true };

  const python = `${interpreter.executable} ${interpreter.version} ${interpreter.platform}`;
  // Beside its place, so that the rename is one step; named by the build, which removes it when it fails.
  const fresh = join(dirname(path), `.new-${recipe.key.slice(0, 16)}-${process.pid}-${Date.now()}`);
  await mkdir(dirname(path), { recursive: true });
  await sweep(dirname(path));
  const uncount = context.disk.add(fresh);
  try {
    const list = join(context.work, "install.txt");
    await writeFile(list, recipe.list);
    const flags = [
      "--no-deps",
      "--only-binary",
      ":all:",
      "--link-mode",
      "hardlink",
      ...(recipe.hashed ? ["--require-hashes"] : []),
    ];
    const args = ["pip", "install", "--python", join(fresh, "bin/python"), ...flags, "--requirements", list];
    const installed = await again(
      uv,
      async (refresh) => {
        // One call for each: a second one would start this Python with the packages' own start-up files.
        await removeFolder(fresh);
        const made = await trustedUv(
          uv,
          ["venv", "--quiet", "--relocatable", "--python", interpreter.executable, fresh],
          recipe.cache,
        );
        if (made.code !== 0) throw uvFailure(uv, made, "The environment could not be made");
        return recipe.list === "" ? made : trustedUv(uv, [...args, ...refresh], recipe.cache);
      },
      recipe.lock,
    );
    if (installed.code !== 0) {
      if (wantsBuild(installed.err)) return undefined;
      throw uvFailure(uv, installed, "The dependencies could not be installed");
    }
    const packages = await installedPackages(fresh);
    const near = await siblings(dirname(path), python, packages);
    await compileAll(context, interpreter.executable, join(fresh, "lib"), near);
    await context.disk.check();
    context.signal.throwIfAborted();
    await writeFile(join(fresh, MARKER), JSON.stringify({ key: recipe.key, packages, python }));
    await rename(fresh, path).catch(async (error: Error) => {
      // Another build made the same one meanwhile.
      if (!(await readEnvironment(path))) throw error;
    });
    return { key: recipe.key, path, private: isPrivate, packages, reused: false };
  } finally {
    uncount();
    await removeFolder(fresh);
  }
}

/** The `lib` folders of the finished environments of this interpreter that have most packages in common. */
async function siblings(
  folder: string,
  python: string,
  packages: readonly string[],
): Promise<readonly string[]> {
  const wanted = new Set(packages);
  const found: { lib: string; common: number }[] = [];
  for (const name of (await readdir(folder)).slice(0, MOST_SIBLINGS)) {
    const marker = name.startsWith(".") ? undefined : await readMarker(join(folder, name));
    if (marker?.python !== python) continue;
    const common = marker.packages.filter((each) => wanted.has(each)).length;
    if (common > 0) found.push({ lib: join(folder, name, "lib"), common });
  }
  found.sort((a, b) => b.common - a.common);
  return found.slice(0, 3).map(({ lib }) => lib);
}

async function installedPackages(environment: string): Promise<string[]> {
  const found: string[] = [];
  for (const version of await readdir(join(environment, "lib"))) {
    const names = await readdir(join(environment, "lib", version, "site-packages")).catch(() => []);
    for (const name of names) {
      const match = /^(.+)-([^-]+)\.dist-info$/.exec(name);
      if (match) found.push(`${(match[1] ?? "").replaceAll("_", "-").toLowerCase()}==${match[2]}`);
    }
  }
  return found.sort();
}

function privateCache(context: StepContext): string {
  return join(context.services.dataDir, "organizations", context.organization, "uv");
}
