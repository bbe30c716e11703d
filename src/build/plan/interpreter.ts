import { open, readdir, realpath } from "node:fs/promises";
import { delimiter, join, posix } from "node:path";
import { BuildError } from "../build.ts";
import { runChild } from "../child.ts";
import type { StepContext } from "../services.ts";
import type { PythonWish } from "./sources.ts";
import { readText } from "./text.ts";
import { compareVersions, LONGEST_RANGE, parseRange, parseVersion, type Version } from "./versions.ts";

/** A CPython of this machine. */
export interface Interpreter {
  /** Absolute and real; never a shim. */
  readonly executable: string;
  /** The folders that must be there, at their own paths, for it to run. */
  readonly prefixes: readonly string[];
  /** `3.12.1`. */
  readonly version: string;
  /** What wheels depend on: implementation, version, machine and C library. */
  readonly platform: string;
}

/** The oldest release that the packages of MCP servers run on. */
const OLDEST: Version = [3, 10];

const PROBE = `
import json, os, platform, sys, sysconfig
print(json.dumps({
  "executable": os.path.realpath(sys.executable),
  "prefixes": sorted({sys.base_prefix, sys.base_exec_prefix, os.path.realpath(sys.base_prefix)}),
  "version": "%d.%d.%d" % sys.version_info[:3],
  "final": sys.version_info.releaselevel == "final",
  "platform": "-".join([sys.implementation.cache_tag, sysconfig.get_platform(), *platform.libc_ver(), sys.abiflags]),
}))`;

/** What was chosen, and what else of this machine would do, newest first. */
export interface Choice {
  readonly interpreter: Interpreter;
  readonly others: readonly Interpreter[];
  readonly reason: string;
}

/**
 * The newest Python that the project can run on: on this machine, else the one
 * that `download` gets, else the newest that all but `.python-version` admit.
 * `wishes` are what other files ask for besides it. Throws BuildError `python_conflict` where no Python at all
 * can satisfy them, `python_unsatisfied`, naming what was found, or
 * `python_invalid` for a constraint that is none.
 */
export async function chooseInterpreter(
  context: StepContext,
  root: string,
  entrypoint: string,
  wishes: readonly PythonWish[],
  download: (request: string) => Promise<string | undefined>,
): Promise<Choice> {
  const pin = await pythonVersionFile(root, entrypoint);
  const asked = [...(pin ? [{ from: pin.file, range: pin.version }] : []), ...wishes];
  const wanted = asked.filter(
    (one, i) => asked.findIndex((other) => other.from === one.from && other.range === one.range) === i,
  );
  for (const want of wanted) {
    if (parseRange(want.range) !== undefined) continue;
    const what =
      want.range.length > LONGEST_RANGE
        ? `says in more than ${LONGEST_RANGE} characters which Python it asks for`
        : `asks for Python ${want.range}, which is no version`;
    throw new BuildError("plan", "python_invalid", `${want.from} ${what}.`, {
      hint: "Write a version like 3.12, or a range like >=3.11.",
    });
  }
  const words = wanted.map((want) => `${want.from} asks for ${want.range}`).join(" and ");
  contradiction(wanted, words);
  const found = await interpreters(context);
  const fitting = found.filter(({ version }) => fits(version, wanted));
  const [best, ...others] = fitting;
  if (best) {
    return {
      interpreter: best,
      others,
      reason: `Python ${best.version}, the newest here${words ? ` that fits: ${words}` : "; the project asks for none"}`,
    };
  }
  // A patch release in .python-version is what one developer had; its release line is what the code needs.
  const loose = wanted.map((want) =>
    isPatch(want.range) ? { ...want, range: want.range.replace(/\.\d+$/, "") } : want,
  );
  const [near, ...alike] = found.filter(({ version }) => fits(version, loose));
  if (near) {
    return {
      interpreter: near,
      others: alike,
      reason: `Python ${near.version}: ${words}, which is not here, and this is the newest of the same release line`,
    };
  }
  const request = wanted.map((want) =>
    /^\d/.test(want.range) ? `==${want.range}.*`.replace(/\.\*\.\*$/, ".*") : want.range,
  );
  const downloaded = await download((request.length > 0 ? request : [">=3.10"]).join(","));
  const fetched = downloaded === undefined ? undefined : await probe(context, downloaded);
  if (fetched && fits(fetched.version, wanted)) {
    return {
      interpreter: fetched,
      others: [],
      reason: `Python ${fetched.version}, downloaded: ${words || "none was here"}`,
    };
  }
  // The file is what a developer had; what the project says it runs on is wider, and is kept.
  const [wide, ...wider] = wishes.length > 0 ? found.filter(({ version }) => fits(version, wishes)) : [];
  if (pin && wide) {
    context.warn(`${pin.file} asks for Python ${pin.version}, which is neither here nor could be downloaded`);
    return {
      interpreter: wide,
      others: wider,
      reason: `Python ${wide.version}, the newest here that fits: ${wishes.map((want) => `${want.from} asks for ${want.range}`).join(" and ")}`,
    };
  }
  const here = found.map(({ version }) => version);
  throw new BuildError(
    "plan",
    "python_unsatisfied",
    `No Python fits: ${words || "3.10 or newer is needed"}. Found here: ${here.join(", ") || "none"}; none could be downloaded.`,
    { hint: unsatisfiedHint(wanted, here) },
  );
}

/** A wish that names a patch release: `3.12.4`. */
function isPatch(range: string): boolean {
  return /^\d+\.\d+\.\d+$/.test(range);
}

function fits(version: string, wanted: readonly PythonWish[]): boolean {
  const parsed = parseVersion(version) ?? [];
  return (
    compareVersions(parsed, OLDEST) >= 0 && wanted.every((want) => parseRange(want.range)?.(parsed) === true)
  );
}

/** Throws where no release that there is, or will be soon, satisfies all. */
function contradiction(wanted: readonly PythonWish[], words: string): void {
  const releases = Array.from({ length: 91 }, (_, minor) => minor + 9).flatMap((minor) =>
    Array.from({ length: 40 }, (_, patch): Version => [3, minor, patch]),
  );
  const ranges = wanted.map((want) => parseRange(want.range)).filter((range) => range !== undefined);
  if (ranges.length < 2 || !ranges.every((range) => releases.some(range))) return;
  if (releases.some((version) => ranges.every((range) => range(version)))) return;
  const [first, ...rest] = wanted;
  throw new BuildError("plan", "python_conflict", `No Python can be all of this: ${words}.`, {
    hint: `Change ${first?.from} so that it agrees with ${rest.map((want) => want.from).join(" and ")}.`,
  });
}

/** The edit that would make one of the interpreters here fit, where one edit does. */
function unsatisfiedHint(wanted: readonly PythonWish[], here: readonly string[]): string {
  for (const want of wanted) {
    const version = here.find((one) =>
      fits(
        one,
        wanted.filter((other) => other !== want),
      ),
    );
    if (version === undefined) continue;
    const minor = version.split(".").slice(0, 2).join(".");
    const old = compareVersions(parseVersion(want.range) ?? OLDEST, OLDEST) < 0;
    return `${old ? "MCP's libraries need Python 3.10 or newer. " : ""}Write ${/^\d/.test(want.range) ? minor : `>=${minor}`} where ${want.from} says ${want.range}, or install such a Python on the machine that builds.`;
  }
  return "Widen requires-python or .python-version, or install such a Python on the machine that builds.";
}

/** What looking for interpreters takes of the machine. */
export interface Looking {
  readonly services: Pick<StepContext["services"], "env" | "cacheDir">;
  readonly signal: AbortSignal;
}

/** Every CPython 3 of this machine, newest first. */
export async function interpreters(context: Looking): Promise<Interpreter[]> {
  const { env, cacheDir } = context.services;
  const roots = [env["PYENV_ROOT"], env["HOME"] && join(env["HOME"], ".pyenv")].filter(
    (path) => path !== undefined,
  );
  const folders = [
    ...(env["PATH"] ?? "").split(delimiter),
    ...(await Promise.all(roots.map((path) => children(join(path, "versions"))))).flat(),
    ...(await children(join(cacheDir, "tools", "python"))),
    ...(env["HOME"] ? await children(join(env["HOME"], ".local/share/uv/python")) : []),
  ];
  const programs = new Set<string>();
  for (const folder of new Set(folders)) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!/^python3(?:\.\d+)?$/.test(name)) continue;
      const path = await realpath(join(folder, name)).catch(() => undefined);
      // A version manager's shim is a script; what it starts depends on the folder it is started in.
      if (path !== undefined && (await isBinary(path))) programs.add(path);
    }
  }
  const found = await Promise.all([...programs].map((path) => probe(context, path)));
  return found
    .filter((interpreter) => interpreter !== undefined)
    .sort((a, b) => compareVersions(parseVersion(b.version) ?? [], parseVersion(a.version) ?? []));
}

const probed = new Map<string, Interpreter>();

async function probe(context: Looking, path: string): Promise<Interpreter | undefined> {
  const known = probed.get(path);
  if (known) return known;
  const result = await runChild({
    argv: [path, "-I", "-S", "-c", PROBE],
    cwd: "/",
    env: {},
    signal: AbortSignal.any([context.signal, AbortSignal.timeout(10_000)]),
  }).catch(() => undefined);
  context.signal.throwIfAborted();
  if (result?.code !== 0) return undefined;
  const { final, ...interpreter } = JSON.parse(result.out) as Interpreter & { final: boolean };
  if (!final || !interpreter.platform.startsWith("cpython")) return undefined;
  probed.set(path, interpreter);
  return interpreter;
}

async function pythonVersionFile(
  root: string,
  entrypoint: string,
): Promise<{ file: string; version: string } | null> {
  for (let folder = posix.dirname(entrypoint); ; folder = posix.dirname(folder)) {
    const file = posix.normalize(posix.join(folder, ".python-version"));
    const text = await readText(join(root, file)).catch(() => "");
    const version = /^[ \t]*(?:cpython[-@]?|python-?)?(\d+(?:\.\d+)*)[ \t\r]*$/im.exec(text)?.[1];
    if (version !== undefined) return { file, version };
    if (folder === ".") return null;
  }
}

async function children(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.map((name) => join(folder, name, "bin"));
}

async function isBinary(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.equals(Buffer.from("\x7fELF", "latin1"));
  } finally {
    await file.close();
  }
}
