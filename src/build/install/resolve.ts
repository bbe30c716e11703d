import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { BuildError } from "../build.ts";
import type { Plan } from "../plan.ts";
import { expand } from "../plan/pyproject.ts";
import { needsBuild } from "../plan/requirements.ts";
import { again } from "./again.ts";
import { uvFailure } from "./failure.ts";
import { elsewhere } from "./fitting.ts";
import { parseLock, type Locked } from "./lock.ts";
import { readInside } from "./outputs.ts";
import { resolutions } from "./resolutions.ts";
import {
  inputFolder,
  inside,
  sandboxedUv,
  sandboxFolder,
  sharedCache,
  trustedUv,
  type Uv,
  versionEnv,
} from "./uv.ts";

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
  const { source, limits } = plan.dependencies;
  // A limit that the code proves yields where the project itself excludes it.
  if (limits.length === 0 || source.kind === "lock") return resolveWith(uv, plan, []);
  try {
    return await resolveWith(
      uv,
      plan,
      limits.map(({ constraint }) => constraint),
    );
  } catch (error) {
    if (!(error instanceof BuildError) || error.code !== "dependencies_unresolvable") throw error;
    uv.context.say(
      `${limits.map(({ constraint }) => constraint).join(" and ")} does not go with what the project asks for, so it is dropped`,
    );
    return resolveWith(uv, plan, []);
  }
}

async function resolveWith(uv: Uv, plan: Plan, limits: readonly string[]): Promise<Locked[]> {
  const { source, added, extras, groups } = plan.dependencies;
  const more = [...added.plain, ...added.fromSource];
  const addedFlags = [...added.indexes, ...(added.prereleases ? ["--prerelease", "allow"] : [])];
  switch (source.kind) {
    case "none":
      return compileSome(uv, { requirements: more, constraints: limits, flags: addedFlags });
    case "requirements": {
      const { plain, fromSource, constraints, indexes, prereleases, hashes } = source.requirements;
      const flags = [...indexes, ...(prereleases ? ["--prerelease", "allow"] : []), ...addedFlags];
      const requirements = [...plain, ...fromSource, ...more];
      const locked = await compileSome(uv, { requirements, constraints: [...constraints, ...limits], flags });
      return withHashes(locked, new Map([...hashes, ...added.hashes]));
    }
    case "lock": {
      const locked = await exportLock(uv, source.folder, [
        ...extras.flatMap((name) => ["--extra", name]),
        ...groups.flatMap((name) => ["--group", name]),
      ]);
      if (more.length === 0) return locked;
      const pins = locked
        .filter((entry) => entry.name !== null && !entry.fromSource)
        .map((entry) => entry.requirement);
      const besides = await compile(uv, { requirements: more, constraints: pins, flags: addedFlags });
      const names = new Set(locked.map((entry) => entry.name));
      return [...locked, ...besides.filter((entry) => !names.has(entry.name))];
    }
    case "pyproject": {
      const { pyproject, folder } = source;
      if (!pyproject.dynamicDependencies && !pyproject.uvSettings) {
        const chosen = [
          ...extras.flatMap((name) => pyproject.extras.get(name) ?? []),
          ...groups.flatMap((name) => pyproject.groups.get(name) ?? []),
        ];
        const requirements = [...expand(pyproject, [...pyproject.dependencies, ...chosen]), ...more];
        return compileSome(uv, { requirements, constraints: limits, flags: addedFlags });
      }
      await writeInput(uv, more, limits);
      return sandboxedCompile(
        uv,
        [`${inside}/source/${posix.join(folder, posix.basename(pyproject.file))}`, `/input/requirements.txt`],
        [
          ...addedFlags,
          ...extras.flatMap((name) => ["--extra", name]),
          ...(limits.length > 0 ? ["--constraint", "/input/constraints.txt"] : []),
        ],
      );
    }
  }
}

async function compileSome(uv: Uv, wanted: Wanted): Promise<Locked[]> {
  return wanted.requirements.length === 0 ? [] : compile(uv, wanted);
}

/**
 * Accepts of each distribution only the files whose hashes the project gives.
 * Throws BuildError `hash_mismatch` where the index has none of them.
 */
function withHashes(locked: readonly Locked[], given: ReadonlyMap<string, readonly string[]>): Locked[] {
  return locked.map((entry) => {
    const asked = entry.name === null ? undefined : given.get(entry.name);
    if (asked === undefined || entry.hashes.length === 0) return entry;
    const hashes = entry.hashes.filter((hash) => asked.includes(hash));
    if (hashes.length > 0) return { ...entry, hashes };
    throw new BuildError(
      "install",
      "hash_mismatch",
      `The package index has ${entry.requirement} with other hashes than the project asks for.`,
      {
        hint: `Somebody changed the release, or the hashes are of another one: look at where ${entry.name} comes from, then write its hashes anew.`,
      },
    );
  });
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
    const result = await again(uv, () =>
      trustedUv(uv, [...args, "--output-file", out, `${folder}/requirements.txt`], sharedCache(uv)),
    );
    if (result.code === 0) {
      const lock = await readFile(out, "utf8");
      await known.keep(lock);
      return parseLock(lock);
    }
    if (!wantsBuild(result.err)) throw uvFailure(uv, result, "The dependencies could not be resolved");
    const other = await elsewhere(uv, result.err);
    if (other) throw other;
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
  const result = await again(uv, () =>
    sandboxedUv(uv, { args, cwd: "source", network: true, env: versionEnv(uv) }),
  );
  if (result.code !== 0) throw uvFailure(uv, result, "The dependencies could not be resolved");
  return parseLock(await readInside(sandboxFolder(uv.context), "out/lock.txt"));
}

/** In the sandbox, because uv looks at the project's folder and starts a `.venv/bin/python` that it finds there. */
async function exportLock(uv: Uv, folder: string, more: readonly string[]): Promise<Locked[]> {
  const flags = [
    ...more,
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
