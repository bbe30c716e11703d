import { readdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { BuildError } from "../build.ts";
import { readText } from "./text.ts";

export interface Entrypoint {
  /** Relative to the checkout. */
  readonly path: string;
  /** The object or factory, where it was named. */
  readonly object: string | null;
  readonly reason: string;
}

/** Names that people give the file, the likeliest first. */
const USUAL = [
  "main.py",
  "server.py",
  "app.py",
  "mcp_server.py",
  "run.py",
  "src/main.py",
  "src/server.py",
  "src/app.py",
];
const NO_CODE = new Set([
  "node_modules",
  "__pycache__",
  "site-packages",
  "tests",
  "test",
  "docs",
  "examples",
  "build",
  "dist",
]);
const CONSTRUCTS = /(?:^|[^\w.])(?:\w+\.)?(?:FastMCP|MCPServer)\s*(?:\[[^\]\n]*\]\s*)?\(/m;
const MAX_FILES = 2000;

/**
 * The file that holds the server: as asked, else `main.py`, else the one file
 * that looks like it. Throws BuildError `entrypoint_invalid`,
 * `entrypoint_missing`, `entrypoint_ambiguous`.
 */
export async function findEntrypoint(root: string, asked: string | null): Promise<Entrypoint> {
  if (asked !== null) return askedFor(root, asked);
  if (await isFile(join(root, "main.py"))) {
    return { path: "main.py", object: null, reason: "main.py is the default and is there" };
  }
  const candidates = await constructing(root);
  const usual = USUAL.find((name) => candidates.includes(name));
  if (usual !== undefined) {
    return { path: usual, object: null, reason: `there is no main.py; ${usual} constructs a server` };
  }
  const [first, ...others] = candidates;
  if (first !== undefined && others.length === 0) {
    return {
      path: first,
      object: null,
      reason: `there is no main.py; ${first} is the only file that constructs a server`,
    };
  }
  const named = candidates.filter((path) => USUAL.includes(basename(path)));
  if (named.length === 1 && named[0] !== undefined) {
    return {
      path: named[0],
      object: null,
      reason: `there is no main.py; of the files that construct a server only ${named[0]} has a usual name`,
    };
  }
  if (first !== undefined) {
    throw new BuildError(
      "plan",
      "entrypoint_ambiguous",
      `${candidates.length} files construct a server: ${candidates.slice(0, 8).join(", ")}.`,
      {
        hint: `Name one, for example --entrypoint ${first}.`,
      },
    );
  }
  throw new BuildError(
    "plan",
    "entrypoint_missing",
    "There is no main.py, and no file constructs FastMCP or MCPServer.",
    {
      hint: "Name the file that makes the server with --entrypoint path/to/file.py[:name].",
    },
  );
}

async function askedFor(root: string, asked: string): Promise<Entrypoint> {
  const [, path = "", object] = /^(.*?)(?::([^:]*))?$/.exec(asked) ?? [];
  const bad = (what: string): BuildError =>
    new BuildError("plan", "entrypoint_invalid", `The entrypoint ${asked} ${what}.`, {
      hint: "Give a path like src/server.py or src/server.py:make_server, relative to the repository.",
    });
  if (path.startsWith("/") || path.split("/").includes("..")) throw bad("is not inside the repository");
  if (!path.endsWith(".py")) throw bad("is not a .py file");
  if (object !== undefined && !/^[\p{L}_][\p{L}\p{N}_]*$/u.test(object))
    throw bad("names something that is no Python name");
  const clean = posix.normalize(path);
  if (!(await isFile(join(root, clean)))) {
    const near = (await pythonFiles(root)).filter((file) => basename(file) === basename(clean)).slice(0, 3);
    throw new BuildError("plan", "entrypoint_missing", `There is no file ${clean} in the repository.`, {
      hint:
        near.length > 0
          ? `Did you mean ${near.join(" or ")}?`
          : "Check the path; it is relative to the repository's root.",
    });
  }
  return { path: clean, object: object ?? null, reason: "it was asked for" };
}

async function constructing(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const file of await pythonFiles(root)) {
    // One that is too large to be read is no server's.
    const text = await readText(join(root, file)).catch(() => "");
    if (CONSTRUCTS.test(text.replace(/^[ \t]*#.*$/gm, ""))) found.push(file);
  }
  return found.sort((a, b) => a.split("/").length - b.split("/").length || (a < b ? -1 : 1));
}

/** Python files of the tree, without hidden folders, tests and committed environments. */
async function pythonFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    if (entries.some((entry) => entry.name === "pyvenv.cfg")) return;
    for (const entry of entries) {
      if (found.length >= MAX_FILES) return;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory() && !entry.name.startsWith(".") && !NO_CODE.has(entry.name)) await walk(path);
      else if (
        entry.isFile() &&
        entry.name.endsWith(".py") &&
        !/^test_|_test\.py$|^setup\.py$|^conftest\.py$/.test(entry.name)
      ) {
        found.push(path);
      }
    }
  };
  await walk("");
  return found;
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
