import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { BuildError } from "../build.ts";
import { readPyproject, type Pyproject } from "./pyproject.ts";
import { readRequirements, requirementName, type Requirements } from "./requirements.ts";

/** Where the project says what it needs. */
export type DependencySource =
  | { readonly kind: "requirements"; readonly file: string; readonly requirements: Requirements }
  | { readonly kind: "lock"; readonly folder: string; readonly pyproject: Pyproject }
  | { readonly kind: "pyproject"; readonly folder: string; readonly pyproject: Pyproject }
  | { readonly kind: "none" };

export interface Dependencies {
  readonly source: DependencySource;
  /** The nearest pyproject.toml, whether or not it is the source; it may still say which Python. */
  readonly pyproject: Pyproject | null;
  /** True where the project names neither `fastmcp` nor `mcp`. */
  readonly addFastmcp: boolean;
  /** What was decided and why, a sentence each. */
  readonly reasons: readonly string[];
}

/**
 * Walks up from the entrypoint's folder to the root of the checkout; in each
 * folder `requirements.txt` comes before `uv.lock` with `pyproject.toml`, and
 * that before `pyproject.toml` alone. Throws BuildError `requirements_invalid`,
 * `pyproject_invalid`.
 */
export async function findDependencies(root: string, entrypoint: string): Promise<Dependencies> {
  const reasons: string[] = [];
  let pyproject: Pyproject | null = null;
  let source: DependencySource = { kind: "none" };
  for (let folder = posix.dirname(entrypoint); ; folder = posix.dirname(folder)) {
    const at = (name: string): string => posix.normalize(posix.join(folder, name));
    if (pyproject === null && (await isFile(root, at("pyproject.toml")))) {
      pyproject = await readPyproject(root, at("pyproject.toml"));
    }
    if (source.kind === "none") source = await sourceIn(root, folder, pyproject, reasons);
    if (folder === "." || (source.kind !== "none" && pyproject !== null)) break;
  }
  if (source.kind === "none")
    reasons.push("no requirements.txt, uv.lock or pyproject.toml declares dependencies");

  const named = mentions(source);
  const has = ["fastmcp", "fastmcp-slim", "mcp"].find((name) => named.has(name));
  if (has === undefined) reasons.push("fastmcp is added, because the project names neither fastmcp nor mcp");
  else reasons.push(`the project names ${has} itself, so nothing is added`);
  return { source, pyproject, addFastmcp: has === undefined, reasons };
}

async function sourceIn(
  root: string,
  folder: string,
  pyproject: Pyproject | null,
  reasons: string[],
): Promise<DependencySource> {
  const at = (name: string): string => posix.normalize(posix.join(folder, name));
  const requirementsFile = at("requirements.txt");
  if (await isFile(root, requirementsFile)) {
    reasons.push(`dependencies come from ${requirementsFile}`);
    return {
      kind: "requirements",
      file: requirementsFile,
      requirements: await readRequirements(root, requirementsFile),
    };
  }
  if (pyproject === null || pyproject.file !== at("pyproject.toml")) return { kind: "none" };
  if (await isFile(root, at("uv.lock"))) {
    reasons.push(`dependencies come from ${at("uv.lock")} as locked, without development groups`);
    return { kind: "lock", folder, pyproject };
  }
  reasons.push(
    pyproject.buildSystem
      ? `dependencies come from ${pyproject.file}; it has a [build-system], so the project itself is built too`
      : `dependencies come from ${pyproject.file}; it has no [build-system], so it is a list and nothing is built`,
  );
  return { kind: "pyproject", folder, pyproject };
}

function mentions(source: DependencySource): ReadonlySet<string> {
  switch (source.kind) {
    case "requirements": {
      const { plain, fromSource } = source.requirements;
      const names = [...plain, ...fromSource].map((line) => requirementName(line));
      return new Set(names.filter((name) => name !== undefined));
    }
    case "lock":
    case "pyproject":
      return source.pyproject.mentions;
    case "none":
      return new Set();
  }
}

async function isFile(root: string, path: string): Promise<boolean> {
  return stat(join(root, path)).then(
    (found) => found.isFile(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return false;
      throw new BuildError("plan", "source_unreadable", `${path} cannot be read.`, { cause: error });
    },
  );
}
