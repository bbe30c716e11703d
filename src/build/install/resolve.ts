import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Plan } from "../plan.ts";
import { needsBuild } from "../plan/requirements.ts";
import { parseLock, type Locked } from "./lock.ts";
import { readInside } from "./outputs.ts";
import { resolutions } from "./resolutions.ts";
import { inputFolder, inside, sandboxedUv, sandboxFolder, trustedUv, uvFailure, type Uv } from "./uv.ts";

interface Wanted {
  readonly requirements: readonly string[];
  readonly constraints: readonly string[];
  readonly flags: readonly string[];
}

/** What uv says when only a build could help. */
const NEEDS_BUILD = /no usable wheels|has no wheels|building (?:from )?source|--no-build|only-binary/i;

export function wantsBuild(err: string): boolean {
  return NEEDS_BUILD.test(err);
}

/**
 * Resolves the project's dependencies to an exact list with hashes. Trusted uv
 * does it where plain requirements and ready wheels suffice; everything that
 * may run code of the author's, or reads uv's settings of the project, happens
 * in the sandbox. Throws BuildError of step `install`.
 */
export async function resolve(uv: Uv, plan: Plan): Promise<Locked[]> {
  const { source, addFastmcp } = plan.dependencies;
  const fastmcp = addFastmcp ? ["fastmcp"] : [];
  switch (source.kind) {
    case "none":
      return compile(uv, { requirements: fastmcp, constraints: [], flags: [] });
    case "requirements": {
      const { plain, fromSource, constraints, indexes, prereleases } = source.requirements;
      const flags = [...indexes, ...(prereleases ? ["--prerelease", "allow"] : [])];
      return compile(uv, { requirements: [...plain, ...fromSource, ...fastmcp], constraints, flags });
    }
    case "lock": {
      const locked = await exportLock(uv, source.folder);
      if (!addFastmcp) return locked;
      const pins = locked
        .filter((entry) => entry.name !== null && !entry.fromSource)
        .map((entry) => entry.requirement);
      const added = await compile(uv, { requirements: fastmcp, constraints: pins, flags: [] });
      const names = new Set(locked.map((entry) => entry.name));
      return [...locked, ...added.filter((entry) => !names.has(entry.name))];
    }
    case "pyproject": {
      const { pyproject, folder } = source;
      if (!pyproject.dynamicDependencies && !pyproject.uvSettings) {
        const requirements = [...pyproject.dependencies, ...fastmcp];
        return requirements.length === 0 ? [] : compile(uv, { requirements, constraints: [], flags: [] });
      }
      await writeInput(uv, fastmcp, []);
      return sandboxedCompile(
        uv,
        [`${inside}/source/${posix.join(folder, "pyproject.toml")}`, `/input/requirements.txt`],
        [],
      );
    }
  }
}

async function compile(uv: Uv, wanted: Wanted): Promise<Locked[]> {
  await writeInput(uv, wanted.requirements, wanted.constraints);
  const constraint = (folder: string): string[] =>
    wanted.constraints.length > 0 ? ["--constraint", `${folder}/constraints.txt`] : [];
  if (![...wanted.requirements, ...wanted.constraints].some(needsBuild)) {
    const folder = inputFolder(uv.context);
    const out = join(uv.context.work, "lock.txt");
    const args = [
      "pip",
      "compile",
      ...compileFlags(uv),
      "--only-binary",
      ":all:",
      ...wanted.flags,
      ...constraint(folder),
    ];
    const question = [...wanted.requirements, "", ...wanted.constraints, "", ...wanted.flags];
    const known = await resolutions(uv, question);
    const recalled = await known.recall();
    if (recalled !== undefined) {
      uv.context.say("the same requirements were resolved within the last ten minutes; their versions stand");
      return parseLock(recalled);
    }
    const result = await trustedUv(
      uv,
      [...args, "--output-file", out, `${folder}/requirements.txt`],
      sharedCache(uv),
    );
    if (result.code === 0) {
      const lock = await readFile(out, "utf8");
      await known.keep(lock);
      return parseLock(lock);
    }
    if (!wantsBuild(result.err)) throw uvFailure(uv, result, "The dependencies could not be resolved");
    uv.context.say("a dependency has no ready wheel for this Python; it is built in the sandbox");
  }
  return sandboxedCompile(uv, [`/input/requirements.txt`], [...wanted.flags, ...constraint("/input")]);
}

async function sandboxedCompile(
  uv: Uv,
  inputs: readonly string[],
  flags: readonly string[],
): Promise<Locked[]> {
  const args = [
    "pip",
    "compile",
    ...compileFlags(uv),
    ...flags,
    "--output-file",
    `${inside}/out/lock.txt`,
    ...inputs,
  ];
  const result = await sandboxedUv(uv, { args, cwd: "source", network: true });
  if (result.code !== 0) throw uvFailure(uv, result, "The dependencies could not be resolved");
  return parseLock(await readInside(sandboxFolder(uv.context), "out/lock.txt"));
}

/** In the sandbox, because uv looks at the project's folder and starts a `.venv/bin/python` that it finds there. */
async function exportLock(uv: Uv, folder: string): Promise<Locked[]> {
  const flags = [
    "--frozen",
    "--no-dev",
    "--no-emit-project",
    "--no-header",
    "--no-annotate",
    "--no-editable",
    "--quiet",
  ];
  const result = await sandboxedUv(uv, {
    args: [
      "export",
      ...flags,
      "--format",
      "requirements.txt",
      "--python",
      uv.interpreter.executable,
      "--output-file",
      `${inside}/out/lock.txt`,
    ],
    cwd: posix.join("source", folder),
    network: false,
  });
  if (result.code !== 0) throw uvFailure(uv, result, "uv.lock could not be read");
  return parseLock(await readInside(sandboxFolder(uv.context), "out/lock.txt"));
}

export function sharedCache(uv: Uv): string {
  return join(uv.context.services.cacheDir, "uv");
}

function compileFlags(uv: Uv): string[] {
  return [
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--quiet",
    "--python",
    uv.interpreter.executable,
  ];
}

async function writeInput(
  uv: Uv,
  requirements: readonly string[],
  constraints: readonly string[],
): Promise<void> {
  const folder = inputFolder(uv.context);
  await mkdir(folder, { recursive: true });
  // What trusted uv gets has no line ends inside (needsBuild); inside the sandbox they do no harm.
  await writeFile(join(folder, "requirements.txt"), `${requirements.join("\n")}\n`);
  await writeFile(join(folder, "constraints.txt"), `${constraints.join("\n")}\n`);
}
