import { join, posix } from "node:path";
import { BuildError } from "../build.ts";
import { readText } from "./text.ts";
import { list, record, text } from "./values.ts";

/** What a fastmcp.json says (FastMCP's `mcp_server_config/v1`). Paths are relative to the checkout. */
export interface FastmcpConfig {
  readonly file: string;
  /** `path.py` or `path.py:name`; null where it names none. */
  readonly entrypoint: string | null;
  /** `3.12` or `>=3.11`. */
  readonly python: string | null;
  readonly dependencies: readonly string[];
  readonly requirements: string | null;
  /** The folder of a pyproject.toml. */
  readonly project: string | null;
  readonly argv: readonly string[];
  /** What is not taken from it and why, a sentence each. */
  readonly notes: readonly string[];
}

const KEYS = {
  "": ["$schema", "source", "environment", "deployment"],
  source: ["type", "path", "entrypoint"],
  environment: ["type", "python", "dependencies", "requirements", "project", "editable"],
  deployment: ["transport", "host", "port", "path", "log_level", "cwd", "env", "args"],
} as const;

/** Keys that people write instead, with the one that is meant. */
const MEANT: Readonly<Record<string, string>> = {
  "environment.packages": "environment.dependencies",
  "environment.requires-python": "environment.python",
  "environment.python_version": "environment.python",
  entrypoint: "source.path",
  server: "source.path",
  dependencies: "environment.dependencies",
  requirements: "environment.requirements",
  python: "environment.python",
  env: "deployment.env",
  args: "deployment.args",
};

const MOST_ARGS = 100;

/**
 * Reads a fastmcp.json. A file of that name that is none (a client's list of
 * `mcpServers`, or something of the author's own) gives no configuration, and a
 * sentence. Throws BuildError `fastmcp_json_invalid`.
 */
export async function readFastmcpJson(
  root: string,
  file: string,
): Promise<{ readonly config: FastmcpConfig | null; readonly note: string | null }> {
  let source: string;
  try {
    source = await readText(join(root, file));
  } catch (error) {
    throw bad(
      file,
      `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      "Commit it as a plain file.",
    );
  }
  return parseFastmcpJson(source, file);
}

/** The same, of a text. */
export function parseFastmcpJson(
  source: string,
  file: string,
): { readonly config: FastmcpConfig | null; readonly note: string | null } {
  let data: unknown;
  try {
    data = JSON.parse(source.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw bad(
      file,
      `is no JSON: ${error instanceof Error ? error.message : String(error)}`,
      "JSON has no comments and no comma before a closing bracket; correct it, or remove the file.",
    );
  }
  const top = record(data);
  if ("mcpServers" in top && !("source" in top)) {
    return none(
      `${file} lists servers for a client (mcpServers), and is no FastMCP configuration; it is not used`,
    );
  }
  if (!["source", "environment", "deployment"].some((key) => key in top)) {
    const keys = Object.keys(top).slice(0, 6).join(", ") || "nothing";
    return none(
      `${file} has ${keys} in it and none of source, environment and deployment, so it is no FastMCP configuration; it is not used`,
    );
  }
  return { config: configOf(top, file, source.startsWith("\uFEFF")), note: null };
}

function none(note: string): { config: null; note: string } {
  return { config: null, note };
}

function configOf(top: Readonly<Record<string, unknown>>, file: string, marked: boolean): FastmcpConfig {
  const folder = posix.dirname(file);
  const environment = part(top, "environment", file);
  const deployment = part(top, "deployment", file);
  const notes = marked
    ? [`${file} begins with a byte order mark, which FastMCP itself does not read; it is passed over`]
    : [];
  const entrypoint = entrypointOf(top["source"], file, notes);
  notes.push(...unknownKeys(top, file));
  if ("editable" in environment) {
    notes.push(
      `environment.editable of ${file} is not supported and not used: give the folder's pyproject.toml as environment.project, or the folder as "./folder" in environment.dependencies`,
    );
  }
  const env = Object.keys(record(deployment["env"]));
  if (env.length > 0) {
    notes.push(
      `deployment.env of ${file} (${env.slice(0, 10).join(", ")}) is not used: variables belong to the server, ./offing env set SERVER KEY=VALUE`,
    );
  }
  const cwd = text(deployment["cwd"]);
  if (cwd !== null && posix.normalize(cwd) !== ".")
    notes.push(`deployment.cwd of ${file} is not used: the code runs in the repository's root`);
  const inside = (value: string | null, key: string): string | null => {
    if (value === null) return null;
    const path = posix.normalize(posix.join(folder, value)).replace(/\/$/, "");
    if (value.startsWith("/") || path === ".." || path.startsWith("../"))
      throw bad(
        file,
        `names ${value} as ${key}, which is outside the repository`,
        "Give a path inside of it.",
      );
    return path;
  };
  return {
    file,
    entrypoint: entrypoint === null ? null : inside(entrypoint, "source.path"),
    python: one(environment, "environment.python", file),
    dependencies: many(environment, "environment.dependencies", file),
    requirements: inside(one(environment, "environment.requirements", file), "environment.requirements"),
    project: inside(one(environment, "environment.project", file), "environment.project"),
    argv: many(deployment, "deployment.args", file).slice(0, MOST_ARGS),
    notes,
  };
}

function entrypointOf(source: unknown, file: string, notes: string[]): string | null {
  if (typeof source === "string") {
    notes.push(
      `source of ${file} is a text, where FastMCP wants {"path": "${source}"}; it is taken for the path`,
    );
    return source;
  }
  const path = text(record(source)["path"]);
  if (path === null) {
    if (source !== undefined)
      throw bad(
        file,
        "has a source without a path",
        'Write "source": {"path": "server.py", "entrypoint": "mcp"}.',
      );
    notes.push(
      `${file} names no source.path, which FastMCP itself would refuse; the entrypoint is looked for`,
    );
    return null;
  }
  const type = text(record(source)["type"]);
  if (type !== null && type !== "filesystem")
    throw bad(
      file,
      `has a source of type ${type}`,
      'Offing builds the repository itself: use "type": "filesystem", or leave it out.',
    );
  const name = text(record(source)["entrypoint"]);
  return name === null || path.includes(":") ? path : `${path}:${name}`;
}

function unknownKeys(top: Readonly<Record<string, unknown>>, file: string): string[] {
  const found: string[] = [];
  for (const [where, keys] of Object.entries(KEYS)) {
    const table = where === "" ? top : record(top[where]);
    for (const key of Object.keys(table)) {
      if ((keys as readonly string[]).includes(key) || found.length >= 10) continue;
      const name = where === "" ? key : `${where}.${key}`;
      const meant = MEANT[name];
      found.push(
        `${name} of ${file} is no key of a FastMCP configuration; it is not used${meant ? `; ${meant} is meant` : ""}`,
      );
    }
  }
  return found;
}

function part(
  top: Readonly<Record<string, unknown>>,
  key: string,
  file: string,
): Readonly<Record<string, unknown>> {
  const value = top[key];
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw bad(file, `has ${key} that is no object`, `Write "${key}": {…}.`);
  return record(value);
}

function one(table: Readonly<Record<string, unknown>>, name: string, file: string): string | null {
  const value = table[name.slice(name.indexOf(".") + 1)];
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  throw bad(file, `has ${name} that is no text`, `Write "${name.slice(name.indexOf(".") + 1)}": "…".`);
}

function many(table: Readonly<Record<string, unknown>>, name: string, file: string): readonly string[] {
  const key = name.slice(name.indexOf(".") + 1);
  const value = table[key];
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && list(value).length === value.length) return list(value);
  throw bad(file, `has ${name} that is no list of texts`, `Write "${key}": ["…", "…"].`);
}

function bad(file: string, what: string, hint: string): BuildError {
  return new BuildError("plan", "fastmcp_json_invalid", `${file} ${what}.`, { hint });
}
