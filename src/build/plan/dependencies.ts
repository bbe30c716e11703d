import { posix } from "node:path";
import { BuildError } from "../build.ts";
import { limitsOf, type Limit } from "./compatibility.ts";
import { serverBehind } from "./detect.ts";
import type { FastmcpConfig } from "./fastmcp-json.ts";
import { closureOf, mcpLibraries } from "./imports.ts";
import { poetryLock } from "./poetry.ts";
import { pipfile, pipfileLock } from "./pipfile.ts";
import { expand, foldersUp, legacyProject, readPyproject, type Pyproject } from "./pyproject.ts";
import { readRequirements } from "./requirements-file.ts";
import {
  addRequirement,
  joined,
  noRequirements,
  requirementName,
  type Requirements,
} from "./requirements.ts";
import { scriptHeader } from "./script-header.ts";
import type { Survey } from "./survey.ts";

/** Where the project says what it needs. */
export type DependencySource =
  | { readonly kind: "requirements"; readonly file: string; readonly requirements: Requirements }
  | { readonly kind: "lock"; readonly folder: string; readonly pyproject: Pyproject }
  | { readonly kind: "pyproject"; readonly folder: string; readonly pyproject: Pyproject }
  | { readonly kind: "none" };

/** A Python that somebody asked for. */
export interface PythonWish {
  readonly from: string;
  readonly range: string;
}

export interface Dependencies {
  readonly source: DependencySource;
  /** The nearest pyproject.toml, whether or not it is the source; it may still say which Python. */
  readonly pyproject: Pyproject | null;
  /** Requirements besides the source's: FastMCP where the project names no server library, and fastmcp.json's own. */
  readonly added: Requirements;
  /** Extras and groups of the project that are installed with it, because the server library is only there. */
  readonly extras: readonly string[];
  readonly groups: readonly string[];
  /** Limits that the code proves; dropped where the project excludes them. */
  readonly limits: readonly Limit[];
  readonly pythons: readonly PythonWish[];
  /** What was decided and why, a sentence each. */
  readonly reasons: readonly string[];
}

/** Where to look, as the deployment and a fastmcp.json say it. */
export interface Asked {
  readonly dependencyFile: string | null;
  readonly config: FastmcpConfig | null;
}

const LIBRARIES = ["fastmcp", "fastmcp-slim", "mcp"];

/**
 * The configured file; what fastmcp.json declares; else walking up from the
 * entrypoint's folder the first of `requirements.txt`, `uv.lock` with
 * `pyproject.toml`, `pyproject.toml` (with its poetry.lock), `setup.py`; else
 * the entrypoint's own header (PEP 723); else Pipfile.lock or Pipfile. Throws
 * BuildError of step `plan`.
 */
export async function findDependencies(
  files: Survey,
  entrypoint: string,
  asked: Asked,
): Promise<Dependencies> {
  const found: Found = { source: { kind: "none" }, added: noRequirements(), pythons: [], reasons: [] };
  const pyproject = await nearestPyproject(files, entrypoint);
  await choose(files, entrypoint, asked, pyproject, found);
  const project = "pyproject" in found.source ? found.source.pyproject : pyproject;
  if (project?.requiresPython) found.pythons.push({ from: project.file, range: project.requiresPython });
  if (asked.config?.python) found.pythons.push({ from: asked.config.file, range: asked.config.python });
  const { extras, groups } = await nameLibrary(files, entrypoint, found);
  const closure = await closureOf(files, entrypoint);
  const limits = found.source.kind === "lock" ? [] : await limitsOf(files, closure, requirementsOf(found));
  found.reasons.push(...limits.map(({ reason }) => reason));
  return { ...found, pyproject: project ?? null, extras, groups, limits };
}

interface Found {
  source: DependencySource;
  added: Requirements;
  pythons: PythonWish[];
  reasons: string[];
}

async function choose(
  files: Survey,
  entrypoint: string,
  asked: Asked,
  pyproject: Pyproject | null,
  found: Found,
): Promise<void> {
  if (asked.dependencyFile !== null) {
    await takeFile(
      files,
      asked.dependencyFile,
      found,
      `dependencies come from ${asked.dependencyFile}, as it was asked for`,
    );
    return;
  }
  if (asked.config && (await takeConfig(files, asked.config, found))) return;
  for (const folder of foldersUp(entrypoint)) {
    const at = (name: string): string => posix.normalize(posix.join(folder, name));
    const order = ["requirements.txt", "uv.lock", "pyproject.toml", "setup.py", "setup.cfg"].map(at);
    const first = order.find(
      (name) => files.has(name) && (!name.endsWith("uv.lock") || files.has(at("pyproject.toml"))),
    );
    if (first === undefined) continue;
    // A pyproject.toml with settings of tools only is no list of dependencies.
    const bare = pyproject?.file === first && isBare(pyproject);
    const header = await headerOf(files, entrypoint);
    const others = [...order.filter((name) => files.has(name)), ...sideBySide(files, folder)].filter(
      (name) => name !== first,
    );
    if (bare && (header || others.some((name) => name.endsWith(".lock") || name.endsWith("Pipfile")))) {
      found.reasons.push(`${first} declares no project, so it is passed over`);
      break;
    }
    await takeFile(files, first, found, null);
    const unused = others.filter((name) => !used(found.source, name));
    if (unused.length > 0)
      found.reasons.push(`${unused.join(", ")} ${unused.length > 1 ? "are" : "is"} there too, and not used`);
    if (header !== null)
      found.reasons.push(`the header of ${entrypoint} is not used, because ${first} comes before it`);
    return;
  }
  if (await takeHeader(files, entrypoint, found)) return;
  for (const folder of foldersUp(entrypoint)) {
    const at = (name: string): string => posix.normalize(posix.join(folder, name));
    const last = ["poetry.lock", "Pipfile.lock", "Pipfile"].map(at).find((name) => files.has(name));
    if (last === undefined) continue;
    await takeFile(files, last, found, null);
    return;
  }
  found.reasons.push("no requirements.txt, uv.lock, pyproject.toml, header or lock declares dependencies");
}

/** Takes what one file says. Throws BuildError `dependency_file_missing`, `dependency_file_unsupported` and the readers' own. */
async function takeFile(files: Survey, file: string, found: Found, reason: string | null): Promise<void> {
  const name = posix.basename(file);
  const folder = posix.dirname(file);
  const beside = (other: string): string => posix.normalize(posix.join(folder, other));
  const text = (): Promise<string> => files.text(file);
  if (name === "uv.lock") {
    const pyproject = await readPyproject(files.root, beside("pyproject.toml"));
    found.source = { kind: "lock", folder, pyproject };
    found.reasons.push(reason ?? `dependencies come from ${file} as locked, without development groups`);
  } else if (name.endsWith(".toml") && name !== "pylock.toml") {
    await takePyproject(files, file, found, reason);
  } else if (name === "poetry.lock") {
    if (files.has(beside("pyproject.toml")))
      await takePyproject(files, beside("pyproject.toml"), found, reason);
    else takePins(poetryLock(await text(), file), file, found);
  } else if (name === "Pipfile.lock" || name === "Pipfile") {
    const { requirements, python, notes } =
      name === "Pipfile" ? pipfile(await text(), file) : pipfileLock(await text(), file);
    found.source = { kind: "requirements", file, requirements };
    if (python !== null) found.pythons.push({ from: file, range: python });
    found.reasons.push(
      reason ??
        `dependencies come from ${file}${name === "Pipfile" ? "" : " as locked, without development packages"}`,
      ...notes,
    );
  } else if (name === "setup.py" || name === "setup.cfg") {
    found.source = { kind: "pyproject", folder, pyproject: legacyProject(file) };
    found.reasons.push(reason ?? `dependencies come from ${file}, which is run in the sandbox to tell them`);
  } else if (name.endsWith(".py")) {
    if (!(await takeHeader(files, file, found)))
      throw new BuildError(
        "plan",
        "dependency_file_unsupported",
        `${file} has no "# /// script" header that declares dependencies.`,
        {
          hint: 'Begin it with: # /// script, then # dependencies = ["fastmcp"], then # ///',
        },
      );
  } else if (/\.(?:txt|in|pip|requirements)$/.test(name) || /requirements/i.test(name)) {
    const requirements = await readRequirements(files.root, file);
    found.source = { kind: "requirements", file, requirements };
    found.reasons.push(reason ?? `dependencies come from ${file}`);
  } else {
    throw new BuildError(
      "plan",
      "dependency_file_unsupported",
      `${file} is no file of dependencies that is understood here.`,
      {
        hint: "Name a requirements file (.txt), a pyproject.toml, uv.lock, poetry.lock, Pipfile.lock, fastmcp.json, or a Python file with a header.",
      },
    );
  }
}

async function takePyproject(
  files: Survey,
  file: string,
  found: Found,
  reason: string | null,
): Promise<void> {
  const folder = posix.dirname(file);
  const pyproject = await readPyproject(files.root, file);
  const lock = posix.normalize(posix.join(folder, "poetry.lock"));
  if (pyproject.poetry === null && !(pyproject.isPoetry && files.has(lock))) {
    found.source = { kind: "pyproject", folder, pyproject };
    const built = pyproject.buildSystem
      ? "it has a [build-system], so the project itself is built too"
      : "it has no [build-system], so it is a list and nothing is built";
    found.reasons.push(reason ?? `dependencies come from ${file}; ${built}`);
    return;
  }
  let requirements: Requirements = pyproject.poetry ?? listed(pyproject);
  if (files.has(lock)) {
    const pins = poetryLock(await files.text(lock), lock);
    requirements = { ...requirements, constraints: pins.constraints, hashes: pins.hashes };
    found.reasons.push(reason ?? `dependencies come from ${file}, in the versions that ${lock} locks`);
  } else found.reasons.push(reason ?? `dependencies come from Poetry's table in ${file}`);
  found.source = { kind: "requirements", file, requirements };
  if (pyproject.requiresPython) found.pythons.push({ from: file, range: pyproject.requiresPython });
}

function takePins(
  pins: { constraints: readonly string[]; hashes: ReadonlyMap<string, readonly string[]> },
  file: string,
  found: Found,
): void {
  const requirements = { ...noRequirements(), plain: [...pins.constraints], hashes: pins.hashes };
  found.source = { kind: "requirements", file, requirements };
  found.reasons.push(
    `dependencies come from ${file} as locked, all of it: without a pyproject.toml nobody says what is for development`,
  );
}

async function takeHeader(files: Survey, file: string, found: Found): Promise<boolean> {
  const header = scriptHeader(await files.text(file), file);
  if (header === null) return false;
  found.source = { kind: "requirements", file, requirements: header.requirements };
  if (header.requiresPython !== null)
    found.pythons.push({ from: `the header of ${file}`, range: header.requiresPython });
  found.reasons.push(`dependencies come from the header of ${file} (PEP 723)`, ...header.notes);
  return true;
}

/** What fastmcp.json declares; false where it declares no dependencies. */
async function takeConfig(files: Survey, config: FastmcpConfig, found: Found): Promise<boolean> {
  const { file, dependencies, requirements, project } = config;
  if (dependencies.length === 0 && requirements === null && project === null) {
    found.reasons.push(`${file} declares no dependencies, so they are looked for as if it were not there`);
    return false;
  }
  const own = noRequirements();
  for (const one of dependencies) addRequirement(own, one, { folder: posix.dirname(file), file, line: 1 });
  let more: Requirements = own;
  if (requirements !== null) {
    demand(files, requirements, `environment.requirements of ${file}`);
    more = joined(more, await readRequirements(files.root, requirements));
  }
  const words = [
    ...(dependencies.length > 0 ? ["its dependencies"] : []),
    ...(requirements === null ? [] : [requirements]),
  ].join(" and ");
  if (project === null) {
    found.source = { kind: "requirements", file, requirements: more };
    found.reasons.push(`dependencies come from ${file} alone: ${words}`);
    return true;
  }
  const at = posix.normalize(posix.join(project, "pyproject.toml"));
  demand(files, at, `environment.project of ${file}`);
  const lock = posix.normalize(posix.join(project, "uv.lock"));
  await takeFile(files, files.has(lock) ? lock : at, found, null);
  found.added = more;
  found.reasons.push(
    `because environment.project of ${file} says so${words === "" ? "" : `; ${words} come on top`}`,
  );
  return true;
}

function demand(files: Survey, path: string, who: string): void {
  if (files.has(path)) return;
  throw new BuildError("plan", "dependency_file_missing", `There is no file ${path}, which ${who} names.`, {
    hint: "Correct the path, which is relative to the fastmcp.json, or commit the file.",
  });
}

/** Says which library serves, and where nobody names one adds it. */
async function nameLibrary(
  files: Survey,
  entrypoint: string,
  found: Found,
): Promise<{ extras: readonly string[]; groups: readonly string[] }> {
  const none = { extras: [], groups: [] };
  const names = new Set(requirementsOf(found).map(requirementName));
  const has = LIBRARIES.find((name) => names.has(name));
  if (has !== undefined) {
    found.reasons.push(`the project names ${has} itself, so nothing is added`);
    return none;
  }
  if ("pyproject" in found.source) {
    const { pyproject } = found.source;
    if (pyproject.dynamicDependencies && pyproject.main.size === 0) {
      found.reasons.push("what the project needs is told by its build back-end, so nothing is added");
      return none;
    }
    for (const [kind, sets] of [
      ["extra", pyproject.extras],
      ["group", pyproject.groups],
    ] as const) {
      const naming = [...sets].filter(([, lines]) =>
        expand(pyproject, lines).some((line) => LIBRARIES.includes(requirementName(line) ?? "")),
      );
      const [name] = naming.find(([one]) => /mcp|server/.test(one)) ?? naming[0] ?? [];
      if (name === undefined) continue;
      found.reasons.push(
        `${pyproject.file} names a server library only in its ${kind} "${name}", so that ${kind} is installed too`,
      );
      return kind === "extra" ? { extras: [name], groups: [] } : { extras: [], groups: [name] };
    }
  }
  const { foreign } = await closureOf(files, entrypoint);
  const imports = new Set(mcpLibraries(foreign));
  if (imports.size > 0 && !imports.has("fastmcp") && !imports.has("mcp")) {
    found.reasons.push(
      `nothing is added: the code serves by ${[...imports].join(" and ")}, which brings what it needs`,
    );
    return none;
  }
  if (imports.size === 0 && (await serverBehind(files, entrypoint)) !== null) {
    found.reasons.push("the code speaks MCP without a library, so none is added");
    return none;
  }
  const library = !imports.has("fastmcp") && imports.has("mcp") ? "mcp" : "fastmcp";
  found.added = joined(found.added, { ...noRequirements(), plain: [library] });
  found.reasons.push(
    `${library} is added, because the project names neither fastmcp nor mcp${imports.has(library) ? ` and the code imports ${library}` : ""}`,
  );
  return none;
}

/** Every requirement that is known without resolving. */
function requirementsOf(found: Found): string[] {
  const { source } = found;
  const own =
    source.kind === "requirements"
      ? [...source.requirements.plain, ...source.requirements.fromSource, ...source.requirements.constraints]
      : source.kind === "none"
        ? []
        : source.pyproject.dependencies;
  return [...own, ...found.added.plain, ...found.added.fromSource];
}

function listed(pyproject: Pyproject): Requirements {
  const found = noRequirements();
  const place = { folder: posix.dirname(pyproject.file), file: pyproject.file, line: 1 };
  for (const one of pyproject.dependencies) addRequirement(found, one, place);
  return { ...found, origins: pyproject.origins };
}

async function nearestPyproject(files: Survey, entrypoint: string): Promise<Pyproject | null> {
  const folder = foldersUp(entrypoint).find((one) =>
    files.has(posix.normalize(posix.join(one, "pyproject.toml"))),
  );
  return folder === undefined
    ? null
    : readPyproject(files.root, posix.normalize(posix.join(folder, "pyproject.toml")));
}

async function headerOf(files: Survey, entrypoint: string): Promise<unknown> {
  const text = await files.text(entrypoint);
  return text.includes("# /// script") ? scriptHeader(text, entrypoint) : null;
}

function isBare(pyproject: Pyproject): boolean {
  return (
    pyproject.name === null &&
    pyproject.dependencies.length === 0 &&
    pyproject.poetry === null &&
    !pyproject.buildSystem
  );
}

function used(source: DependencySource, name: string): boolean {
  if (source.kind === "none") return false;
  if (source.kind === "requirements")
    return (
      name === source.file ||
      (posix.basename(name) === "poetry.lock" && source.file.endsWith("pyproject.toml"))
    );
  return name === source.pyproject.file || posix.basename(name).startsWith("setup.");
}

const BESIDE =
  /^(?:requirements[^/]*\.(?:txt|in)|poetry\.lock|Pipfile(?:\.lock)?|pdm\.lock|pylock[^/]*\.toml|environment\.ya?ml|setup\.(?:py|cfg))$/;

function sideBySide(files: Survey, folder: string): string[] {
  return files.files.filter(
    (path) =>
      posix.dirname(path) === folder &&
      BESIDE.test(posix.basename(path)) &&
      !/requirements\.txt$|setup\.(?:py|cfg)$/.test(path),
  );
}
