import { posix } from "node:path";
import { limitsOf, type Limit } from "./compatibility.ts";
import type { FastmcpConfig } from "./fastmcp-json.ts";
import { closureOf } from "./imports.ts";
import { nameLibrary } from "./library.ts";
import { foldersUp, readPyproject, type Pyproject } from "./pyproject.ts";
import { noRequirements, type Requirements } from "./requirements.ts";
import { scriptHeader } from "./script-header.ts";
import {
  type DependencySource,
  type Found,
  type PythonWish,
  requirementsOf,
  takeConfig,
  takeFile,
  takeHeader,
} from "./sources.ts";
import type { Survey } from "./survey.ts";

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
