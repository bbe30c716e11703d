import { posix } from "node:path";
import { parse } from "smol-toml";
import { BuildError } from "../build.ts";
import { toSpecifiers } from "./poetry-constraint.ts";
import {
  addRequirement,
  type Collected,
  noRequirements,
  normalizeName,
  type Requirements,
} from "./requirements.ts";
import { list, record, text } from "./values.ts";

/**
 * The main dependencies of `[tool.poetry.dependencies]` as requirements;
 * optional ones only where an extra of `extras` names them. `lineOf` tells the
 * line of a name. Throws BuildError `pyproject_invalid` for a constraint that is none.
 */
export function poetryDependencies(
  table: Readonly<Record<string, unknown>>,
  file: string,
  lineOf: (words: string) => number,
  wanted: ReadonlySet<string> = new Set(),
): Requirements {
  const found = noRequirements();
  for (const [name, value] of Object.entries(table)) {
    if (name.toLowerCase() === "python") continue;
    // A list holds alternatives for different Pythons or systems.
    for (const one of Array.isArray(value) ? value : [value]) {
      const given = typeof one === "string" ? { version: one } : record(one);
      if (given["optional"] === true && !wanted.has(normalizeName(name))) continue;
      add(found, name, given, file, lineOf);
    }
  }
  return found;
}

/** `python = "^3.11"` of the table as a range, or null. */
export function poetryPython(table: Readonly<Record<string, unknown>>): string | null {
  const python = table["python"];
  return typeof python === "string" ? (toSpecifiers(python) ?? null) : null;
}

function add(
  found: Collected,
  name: string,
  given: Readonly<Record<string, unknown>>,
  file: string,
  lineOf: (words: string) => number,
): void {
  const place = { folder: posix.dirname(file), file, line: lineOf(name) };
  const extras = list(given["extras"]);
  const head = extras.length > 0 ? `${name}[${extras.join(",")}]` : name;
  const marker = [text(given["markers"]), pythonMarker(text(given["python"]))].filter((one) => one !== null);
  const end =
    marker.length > 0
      ? ` ; ${marker.map((one) => (marker.length > 1 ? `(${one})` : one)).join(" and ")}`
      : "";
  const git = text(given["git"]);
  const at = text(given["rev"]) ?? text(given["tag"]) ?? text(given["branch"]);
  const folder = text(given["path"]);
  const url = text(given["url"]);
  if (git !== null) addRequirement(found, `${head} @ git+${git}${at === null ? "" : `@${at}`}${end}`, place);
  else if (folder !== null)
    addRequirement(found, `./${folder}${extras.length > 0 ? `[${extras.join(",")}]` : ""}`, place);
  else if (url !== null) addRequirement(found, `${head} @ ${url}${end}`, place);
  else {
    const version = toSpecifiers(text(given["version"]) ?? "*");
    if (version === undefined) {
      throw new BuildError(
        "plan",
        "pyproject_invalid",
        `${file} asks for ${name} ${text(given["version"])?.slice(0, 200)}, which is no version.`,
        {
          hint: `Write a constraint such as ${name} = "^1.2" in line ${place.line} of ${file}.`,
        },
      );
    }
    addRequirement(found, `${head}${version ?? ""}${end}`, place);
  }
}

/** Poetry's `python = ">=3.10,<3.12"` of one dependency as a marker. */
function pythonMarker(range: string | null): string | null {
  const specifiers = range === null ? null : toSpecifiers(range);
  if (specifiers === null || specifiers === undefined) return null;
  const parts = specifiers.split(",").map((part) => /^([<>=!~]+)(.*)$/.exec(part));
  return parts.map((part) => `python_full_version ${part?.[1]} '${part?.[2]}'`).join(" and ");
}

/** What a poetry.lock pins: constraints and the hashes of the files. */
export interface Pins {
  readonly constraints: readonly string[];
  readonly hashes: ReadonlyMap<string, readonly string[]>;
}

/**
 * The versions of a poetry.lock. A name that is locked to several versions (for
 * different Pythons) pins nothing. Throws BuildError `lock_invalid`.
 */
export function poetryLock(source: string, file: string): Pins {
  let data: Record<string, unknown>;
  try {
    data = parse(source.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new BuildError("plan", "lock_invalid", `${file} cannot be read as TOML.`, {
      traceback: error instanceof Error ? error.message : null,
      hint: "Write it anew with poetry lock, and commit it.",
    });
  }
  const versions = new Map<string, Set<string>>();
  const hashes = new Map<string, string[]>();
  const older = record(record(data["metadata"])["files"]);
  for (const each of Array.isArray(data["package"]) ? data["package"] : []) {
    const one = record(each);
    const [name, version] = [text(one["name"]), text(one["version"])];
    if (name === null || version === null) continue;
    // What comes from Git, a folder or an address has no version on an index.
    if (["git", "directory", "file", "url"].includes(text(record(one["source"])["type"]) ?? "")) continue;
    const key = normalizeName(name);
    versions.set(key, (versions.get(key) ?? new Set()).add(version));
    const files = Array.isArray(one["files"]) ? one["files"] : (older[name] ?? []);
    const found = (Array.isArray(files) ? files : [])
      .map((entry) => text(record(entry)["hash"]))
      .filter((hash) => hash !== null);
    const kept = hashes.get(key);
    if (kept === undefined && found.length > 0) hashes.set(key, found);
    else for (const hash of found) kept?.push(hash);
  }
  const constraints = [...versions].flatMap(([name, one]) =>
    one.size === 1 ? [`${name}==${[...one][0]}`] : [],
  );
  return { constraints, hashes };
}
