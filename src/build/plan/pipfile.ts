import { posix } from "node:path";
import { parse } from "smol-toml";
import { BuildError } from "../build.ts";
import { toSpecifiers } from "./poetry-constraint.ts";
import {
  addRequirement,
  type Collected,
  noRequirements,
  type Place,
  type Requirements,
} from "./requirements.ts";
import { lineFinder, list, record, text } from "./values.ts";

/** What a Pipfile or its lock says. */
export interface Pipenv {
  readonly requirements: Requirements;
  /** `3.11`, or null. */
  readonly python: string | null;
  /** What is not taken from it, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The `default` packages of a Pipfile.lock, exactly as locked, with their
 * hashes. Throws BuildError `lock_invalid`.
 */
export function pipfileLock(source: string, file: string): Pipenv {
  let data: Readonly<Record<string, unknown>>;
  try {
    data = record(JSON.parse(source.replace(/^\uFEFF/, "")));
  } catch (error) {
    throw lockInvalid(file, "is no JSON", error);
  }
  const meta = record(data["_meta"]);
  if (!("default" in data)) throw lockInvalid(file, "has no `default` packages");
  const found = noRequirements();
  const notes = addSources(found, Array.isArray(meta["sources"]) ? meta["sources"] : [], file);
  const lineOf = lineFinder(source);
  for (const [name, value] of Object.entries(record(data["default"]))) {
    const one = record(value);
    addPackage(
      found,
      name,
      one,
      { folder: posix.dirname(file), file, line: lineOf(`"${name}"`) },
      text(one["version"]),
    );
  }
  return { requirements: found, python: pythonOf(record(meta["requires"])), notes };
}

/** The `[packages]` of a Pipfile. Throws BuildError `lock_invalid`. */
export function pipfile(source: string, file: string): Pipenv {
  let data: Readonly<Record<string, unknown>>;
  try {
    data = parse(source.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw lockInvalid(file, "is no TOML", error);
  }
  const found = noRequirements();
  const notes = addSources(found, Array.isArray(data["source"]) ? data["source"] : [], file);
  const lineOf = lineFinder(source);
  for (const [name, value] of Object.entries(record(data["packages"]))) {
    const one = typeof value === "string" ? { version: value } : record(value);
    const version = toSpecifiers(text(one["version"]) ?? "*");
    if (version === undefined)
      throw lockInvalid(file, `asks for ${name} ${text(one["version"])?.slice(0, 200)}, which is no version`);
    addPackage(found, name, one, { folder: posix.dirname(file), file, line: lineOf(name) }, version);
  }
  return { requirements: found, python: pythonOf(record(data["requires"])), notes };
}

function addPackage(
  found: Collected,
  name: string,
  one: Readonly<Record<string, unknown>>,
  place: Place,
  version: string | null,
): void {
  const extras = list(one["extras"]);
  const head = extras.length > 0 ? `${name}[${extras.join(",")}]` : name;
  const marker = text(one["markers"]) === null ? "" : ` ; ${text(one["markers"])}`;
  const git = text(one["git"]);
  const path = text(one["path"]);
  const url = text(one["file"]) ?? text(one["url"]);
  if (git !== null) {
    const ref = text(one["ref"]);
    addRequirement(found, `${head} @ git+${git}${ref === null ? "" : `@${ref}`}${marker}`, place);
  } else if (path !== null)
    addRequirement(found, `./${path}${extras.length > 0 ? `[${extras.join(",")}]` : ""}`, place);
  else if (url !== null && /^https?:/.test(url)) addRequirement(found, `${head} @ ${url}${marker}`, place);
  else
    addRequirement(
      found,
      `${head}${version === null || version === "*" ? "" : version}${marker}`,
      place,
      list(one["hashes"]),
    );
}

/** PyPI is the machine's own index, whatever that is; others are asked besides. */
function addSources(found: Collected, sources: readonly unknown[], file: string): string[] {
  const notes: string[] = [];
  for (const each of sources) {
    const url = text(record(each)["url"]);
    if (url === null || /^https:\/\/pypi\.(?:org|python\.org)\//.test(url)) continue;
    if (/^https?:\/\/[^\s$]+$/.test(url)) found.indexes.push("--index", url);
    else notes.push(`the source ${url} of ${file} is not used: it is no plain http(s) address`);
  }
  return notes;
}

function pythonOf(requires: Readonly<Record<string, unknown>>): string | null {
  return text(requires["python_version"]) ?? text(requires["python_full_version"]);
}

function lockInvalid(file: string, what: string, cause?: unknown): BuildError {
  return new BuildError("plan", "lock_invalid", `${file} ${what}.`, {
    hint: "Write it anew with pipenv lock, and commit it.",
    cause,
  });
}
