import { posix } from "node:path";
import { BuildError } from "../build.ts";
import type { FastmcpConfig } from "./fastmcp-json.ts";
import { pipfile, pipfileLock } from "./pipfile.ts";
import { poetryLock } from "./poetry.ts";
import { legacyProject, readPyproject, type Pyproject } from "./pyproject.ts";
import { readRequirements } from "./requirements-file.ts";
import { addRequirement, joined, noRequirements, type Requirements } from "./requirements.ts";
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

/** What is found while the sources are gone through. */
export interface Found {
  source: DependencySource;
  added: Requirements;
  pythons: PythonWish[];
  reasons: string[];
}

/** Every requirement that is known without resolving. */
export function requirementsOf(found: Found): string[] {
  const { source } = found;
  const own =
    source.kind === "requirements"
      ? [...source.requirements.plain, ...source.requirements.fromSource, ...source.requirements.constraints]
      : source.kind === "none"
        ? []
        : source.pyproject.dependencies;
  return [...own, ...found.added.plain, ...found.added.fromSource];
}

/** Takes what one file says. Throws BuildError `dependency_file_missing`, `dependency_file_unsupported` and the readers' own. */
export async function takeFile(
  files: Survey,
  file: string,
  found: Found,
  reason: string | null,
): Promise<void> {
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

/** Takes the header of a Python file; false where it has none. */
export async function takeHeader(files: Survey, file: string, found: Found): Promise<boolean> {
  const header = scriptHeader(await files.text(file), file);
  if (header === null) return false;
  found.source = { kind: "requirements", file, requirements: header.requirements };
  if (header.requiresPython !== null)
    found.pythons.push({ from: `the header of ${file}`, range: header.requiresPython });
  found.reasons.push(`dependencies come from the header of ${file} (PEP 723)`, ...header.notes);
  return true;
}

/** What fastmcp.json declares; false where it declares no dependencies. */
export async function takeConfig(files: Survey, config: FastmcpConfig, found: Found): Promise<boolean> {
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

function listed(pyproject: Pyproject): Requirements {
  const found = noRequirements();
  const place = { folder: posix.dirname(pyproject.file), file: pyproject.file, line: 1 };
  for (const one of pyproject.dependencies) addRequirement(found, one, place);
  return { ...found, origins: pyproject.origins };
}
