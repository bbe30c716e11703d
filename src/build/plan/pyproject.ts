import { join } from "node:path";
import { parse } from "smol-toml";
import { BuildError } from "../build.ts";
import { readText } from "./text.ts";
import { normalizeName, requirementName } from "./requirements.ts";

/** What a build reads in a pyproject.toml. */
export interface Pyproject {
  /** Relative to the checkout. */
  readonly file: string;
  readonly name: string | null;
  readonly dependencies: readonly string[];
  /** Every requirement named anywhere in it: extras, groups, Poetry's table. */
  readonly mentions: ReadonlySet<string>;
  readonly requiresPython: string | null;
  readonly buildSystem: boolean;
  /** Dependencies that only the build back-end can tell. */
  readonly dynamicDependencies: boolean;
  /** Settings of uv (sources, indexes, overrides) that change how the dependencies are found. */
  readonly uvSettings: boolean;
}

/** Reads `file` of the checkout. Throws BuildError `pyproject_invalid`. */
export async function readPyproject(root: string, file: string): Promise<Pyproject> {
  let data: Record<string, unknown>;
  try {
    const text = await readText(join(root, file));
    // A byte order mark is no TOML, but Windows editors write it and uv forgives it.
    data = parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new BuildError("plan", "pyproject_invalid", `${file} cannot be read as TOML.`, {
      traceback: error instanceof Error ? error.message : null,
      hint: "Correct the file and deploy again.",
    });
  }
  const project = table(data["project"]);
  const tool = table(data["tool"]);
  const uv = table(tool["uv"]);
  const poetry = table(tool["poetry"]);
  const dependencies = strings(project["dependencies"]);
  const poetryDependencies = Object.keys(table(poetry["dependencies"])).filter((name) => name !== "python");
  const mentions = [
    ...dependencies,
    ...Object.values(table(project["optional-dependencies"])).flatMap(strings),
    ...Object.values(table(data["dependency-groups"])).flatMap(strings),
    ...poetryDependencies,
  ];
  const buildSystem = "build-system" in data;
  return {
    file,
    name: typeof project["name"] === "string" ? normalizeName(project["name"]) : null,
    dependencies,
    mentions: new Set(mentions.map(requirementName).filter((name) => name !== undefined)),
    requiresPython: typeof project["requires-python"] === "string" ? project["requires-python"] : null,
    buildSystem,
    dynamicDependencies:
      buildSystem &&
      (strings(project["dynamic"]).includes("dependencies") ||
        !("project" in data) ||
        poetryDependencies.length > 0),
    uvSettings: ["sources", "index", "override-dependencies", "constraint-dependencies", "workspace"].some(
      (key) => key in uv,
    ),
  };
}

function table(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
