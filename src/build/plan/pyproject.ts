import { join, posix } from "node:path";
import { parse } from "smol-toml";
import { BuildError } from "../build.ts";
import { poetryDependencies, poetryPython } from "./poetry.ts";
import { normalizeName, requirementName, type Origin, type Requirements } from "./requirements.ts";
import { readText } from "./text.ts";
import { lineFinder, list, record, text } from "./values.ts";

/** What a build reads in a pyproject.toml. */
export interface Pyproject {
  /** Relative to the checkout. */
  readonly file: string;
  readonly name: string | null;
  readonly dependencies: readonly string[];
  /** Of `[project.optional-dependencies]` and Poetry's extras, by normalized name. */
  readonly extras: ReadonlyMap<string, readonly string[]>;
  /** Of `[dependency-groups]` and Poetry's groups. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Poetry's own table, where `[project]` does not say the dependencies; null elsewhere. */
  readonly poetry: Requirements | null;
  /** True where the project is Poetry's, so that a poetry.lock is its lock. */
  readonly isPoetry: boolean;
  /** Names of what is installed without any extra or group. */
  readonly main: ReadonlySet<string>;
  readonly requiresPython: string | null;
  readonly buildSystem: boolean;
  /** Dependencies that only the build back-end can tell. */
  readonly dynamicDependencies: boolean;
  /** True where the version comes from Git's tags. */
  readonly vcsVersion: boolean;
  /** Settings of uv (sources, indexes, overrides) that change how the dependencies are found. */
  readonly uvSettings: boolean;
  readonly origins: readonly Origin[];
}

/** Build requirements that read the version from Git. */
const VCS =
  /^(?:hatch-vcs|setuptools-scm|versioningit|poetry-dynamic-versioning|uv-dynamic-versioning|versioneer|setuptools-git-versioning|dunamai|pdm-backend|flit-scm|incremental)$/;

/** Reads `file` of the checkout. Throws BuildError `pyproject_invalid`. */
export async function readPyproject(root: string, file: string): Promise<Pyproject> {
  let data: Record<string, unknown>;
  let source: string;
  try {
    // A byte order mark is no TOML, but Windows editors write it and uv forgives it.
    source = (await readText(join(root, file))).replace(/^\uFEFF/, "");
    data = parse(source);
  } catch (error) {
    throw new BuildError("plan", "pyproject_invalid", `${file} cannot be read as TOML.`, {
      traceback: error instanceof Error ? error.message : null,
      hint: "Correct the file and deploy again.",
    });
  }
  return pyprojectOf(data, source, file);
}

/** The project of a folder that has only setup.py or setup.cfg: all that is known is that a back-end can tell it. */
export function legacyProject(file: string): Pyproject {
  const none = pyprojectOf({}, "", file);
  return { ...none, buildSystem: true, dynamicDependencies: true };
}

function pyprojectOf(data: Readonly<Record<string, unknown>>, source: string, file: string): Pyproject {
  const project = record(data["project"]);
  const tool = record(data["tool"]);
  const uv = record(tool["uv"]);
  const poetryTable = record(tool["poetry"]);
  const lineOf = lineFinder(source);
  const dependencies = list(project["dependencies"]);
  const dynamic = list(project["dynamic"]);
  const buildSystem = "build-system" in data;
  const said = record(poetryTable["dependencies"]);
  const isPoetry = "poetry" in tool;
  const bare = !Array.isArray(project["dependencies"]);
  const poetry =
    isPoetry && bare && "dependencies" in poetryTable ? poetryDependencies(said, file, lineOf) : null;
  const main = [...dependencies, ...(poetry ? [...poetry.plain, ...poetry.fromSource] : [])];
  const name = text(project["name"]) ?? text(poetryTable["name"]);
  const requires = list(record(data["build-system"])["requires"]).map((one) => requirementName(one) ?? "");
  return {
    file,
    name: name === null ? null : normalizeName(name),
    dependencies,
    extras: byName({ ...record(poetryTable["extras"]), ...record(project["optional-dependencies"]) }),
    groups: byName({ ...poetryGroups(poetryTable, file, lineOf), ...record(data["dependency-groups"]) }),
    poetry,
    isPoetry,
    main: new Set(main.map(requirementName).filter((one) => one !== undefined)),
    requiresPython: text(project["requires-python"]) ?? poetryPython(said),
    buildSystem,
    dynamicDependencies:
      buildSystem && poetry === null && (dynamic.includes("dependencies") || !("project" in data)),
    vcsVersion:
      requires.some((one) => VCS.test(one)) &&
      (dynamic.includes("version") || isPoetry || "setuptools_scm" in tool),
    uvSettings: ["sources", "index", "override-dependencies", "constraint-dependencies", "workspace"].some(
      (key) => key in uv,
    ),
    origins: poetry?.origins ?? originsOf(dependencies, file, lineOf),
  };
}

/**
 * What an extra or a group asks for, with the project's own extras that it names
 * (`all = ["name[server]"]`) filled in, each once.
 */
export function expand(pyproject: Pyproject, requirements: readonly string[]): string[] {
  const found: string[] = [];
  const filled = new Set<string>();
  const open = requirements.toReversed();
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const own = ownExtras(pyproject, one);
    if (own === null) found.push(one);
    for (const extra of own ?? []) {
      if (filled.has(extra)) continue;
      filled.add(extra);
      for (const more of pyproject.extras.get(extra)?.toReversed() ?? []) open.push(more);
    }
  }
  return found;
}

/** Tells whether an extra's or a group's lines lead to one of these distributions, by whatever extras of the project's own. */
export function leadingTo(
  pyproject: Pyproject,
  distributions: readonly string[],
): (lines: readonly string[]) => boolean {
  const askedBy = new Map<string, string[]>();
  const leading = new Set<string>();
  const leads = (lines: readonly string[]): boolean =>
    lines.some(
      (one) =>
        distributions.includes(requirementName(one) ?? "") ||
        ownExtras(pyproject, one)?.some((extra) => leading.has(extra)),
    );
  for (const [extra, lines] of pyproject.extras) {
    if (leads(lines)) leading.add(extra);
    for (const own of lines.flatMap((one) => ownExtras(pyproject, one) ?? [])) {
      const asking = askedBy.get(own);
      if (asking) asking.push(extra);
      else askedBy.set(own, [extra]);
    }
  }
  for (const extra of leading) for (const asking of askedBy.get(extra) ?? []) leading.add(asking);
  return leads;
}

/** The project's own extras that a requirement asks for; null for one of another project. */
function ownExtras(pyproject: Pyproject, requirement: string): string[] | null {
  if (pyproject.name === null || requirementName(requirement) !== pyproject.name) return null;
  const names = /\[([^\][]*)\]/.exec(requirement)?.[1]?.split(",") ?? [];
  return names.map((extra) => normalizeName(extra.trim()));
}

function originsOf(
  requirements: readonly string[],
  file: string,
  lineOf: (words: string) => number,
): Origin[] {
  return requirements.flatMap((one) => {
    const name = requirementName(one);
    return name === undefined ? [] : [{ name, text: one, file, line: lineOf(one) }];
  });
}

function byName(table: Readonly<Record<string, unknown>>): Map<string, readonly string[]> {
  return new Map(Object.entries(table).map(([name, value]) => [normalizeName(name), list(value)]));
}

function poetryGroups(
  poetry: Readonly<Record<string, unknown>>,
  file: string,
  lineOf: (words: string) => number,
): Record<string, readonly string[]> {
  const groups = Object.entries(record(poetry["group"])).map(([name, value]): [string, readonly string[]] => {
    const found = poetryDependencies(record(record(value)["dependencies"]), file, lineOf);
    return [name, [...found.plain, ...found.fromSource]];
  });
  return Object.fromEntries(groups);
}

/** The nearest project file of a folder and those above it, without reading it. */
export function foldersUp(path: string): string[] {
  const found: string[] = [];
  for (let folder = posix.dirname(path); ; folder = posix.dirname(folder)) {
    found.push(folder);
    if (folder === ".") return found;
  }
}
