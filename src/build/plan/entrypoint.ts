import { basename, posix } from "node:path";
import { shellWord } from "../../lib/shell.ts";
import { BuildError } from "../build.ts";
import { type Candidate, detect, scriptOf, serverBehind } from "./detect.ts";
import { closureOf, mcpLibraries } from "./imports.ts";
import { severalServers } from "./several.ts";
import { type Survey, within } from "./survey.ts";
import { unsupported } from "./unsupported.ts";

export interface Entrypoint {
  /** Relative to the checkout. */
  readonly path: string;
  /** The object or factory, where it was named. */
  readonly object: string | null;
  /** `package.module:function`, where the project starts by a console script. */
  readonly program: string | null;
  /** What the code finds in `sys.argv[1:]`. */
  readonly argv: readonly string[];
  readonly reason: string;
}

/** What the deployment says of the entrypoint. */
export interface AskedEntrypoint {
  /** `path.py`, `path.py:name`, or a folder to look in. */
  readonly entrypoint: string | null;
  /** What stands for the source in a command that we suggest. */
  readonly source: string;
}

/**
 * The file that holds the server: as asked, else `main.py`, else what detection
 * finds. Throws BuildError `entrypoint_invalid`, `entrypoint_missing`,
 * `entrypoint_ambiguous`, and those of `unsupported`.
 */
export async function findEntrypoint(files: Survey, asked: AskedEntrypoint): Promise<Entrypoint> {
  if (asked.entrypoint === null) return detected(files, ".", asked.source);
  const folder = posix.normalize(asked.entrypoint).replace(/\/$/, "");
  const isFolder = !folder.startsWith("..") && files.files.some((path) => path.startsWith(`${folder}/`));
  if (isFolder) return detected(within(files, folder), folder, asked.source);
  return named(files, asked.entrypoint, "it was asked for");
}

/** What the entrypoint is taken for and why, in a sentence; loading it has the last word. */
export async function kindWords(files: Survey, path: string): Promise<string> {
  const found = await serverBehind(files, path);
  const libraries = mcpLibraries((await closureOf(files, path)).foreign);
  if (found === null && libraries.length > 0)
    return `takes it for a server by ${libraries.join(" and ")}, which ${path} loads; loading it will tell`;
  if (found === null)
    return `what kind of server ${path} holds is not seen in its text; loading it will tell`;
  return `takes it for ${found.made.what}: ${found.path} ${found.made.why}; loading it will tell`;
}

async function detected(files: Survey, folder: string, source: string): Promise<Entrypoint> {
  const { chosen, several } = await detect(files, folder);
  if (chosen) return ofCandidate(files, chosen);
  if (several.length > 0) throw severalServers(several, source);
  const main = posix.normalize(posix.join(folder, "main.py"));
  // Its dependencies say that it has to do with MCP, in a way that its text does not show.
  if (files.has(main) && (await dependsOnMcp(files))) {
    return { ...plain(main), reason: `${main} is the default and is there` };
  }
  throw await unsupported(files);
}

async function ofCandidate(files: Survey, candidate: Candidate): Promise<Entrypoint> {
  const program = candidate.program ?? (await scriptOf(files, candidate.path))?.program ?? null;
  return { ...plain(candidate.path), program, reason: candidate.reason };
}

function plain(path: string): Entrypoint {
  return { path, object: null, program: null, argv: [], reason: "" };
}

/** An entrypoint that somebody named. Throws BuildError `entrypoint_invalid`, `entrypoint_missing`. */
export async function named(files: Survey, asked: string, reason: string): Promise<Entrypoint> {
  const [, path = "", object] = /^([^:]*)(?::(.*))?$/s.exec(asked) ?? [];
  const bad = (what: string): BuildError =>
    new BuildError("plan", "entrypoint_invalid", `The entrypoint ${asked} ${what}.`, {
      hint: "Give a path like src/server.py or src/server.py:make_server, relative to the repository.",
    });
  if (path.startsWith("/") || path.split("/").includes("..")) throw bad("is not inside the repository");
  if (!path.endsWith(".py")) throw bad("is not a .py file");
  if (object !== undefined && !/^[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*)*$/u.test(object))
    throw bad("names something that is no Python name");
  const clean = posix.normalize(path);
  if (!files.has(clean)) {
    const near = files.python.filter((file) => basename(file) === basename(clean)).slice(0, 3);
    const others = files.python.slice(0, 5);
    throw new BuildError("plan", "entrypoint_missing", `There is no file ${clean} in the repository.`, {
      hint:
        near.length > 0
          ? `Did you mean --entrypoint ${near.map(shellWord).join(" or ")}?`
          : others.length > 0
            ? `The path is relative to the repository's root; Python files there are ${others.join(", ")}.`
            : "The path is relative to the repository's root, which has no Python file.",
    });
  }
  const script = object === undefined ? await scriptOf(files, clean) : null;
  return { ...plain(clean), object: object ?? null, program: script?.program ?? null, reason };
}

const DECLARES =
  /(?:^|\/)(?:requirements[^/]*\.txt|pyproject\.toml|setup\.(?:py|cfg)|Pipfile|fastmcp\.json)$/;

async function dependsOnMcp(files: Survey): Promise<boolean> {
  for (const path of files.files.filter((file) => DECLARES.test(file)).slice(0, 20)) {
    if (/mcp/i.test(await files.text(path))) return true;
  }
  return false;
}
