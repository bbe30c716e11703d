import { basename, posix } from "node:path";
import { closureOf, speaksMcp } from "./imports.ts";
import { looksStarted, type Made, serverMadeIn } from "./kinds.ts";
import { consoleScripts, type Script } from "./scripts.ts";
import type { Survey } from "./survey.ts";

/** A place where a server may start. */
export interface Candidate {
  readonly path: string;
  readonly program: string | null;
  /** The console script's name, where it is one. */
  readonly script: string | null;
  readonly reason: string;
}

/** What looking at a checkout found. */
export interface Detected {
  readonly chosen: Candidate | null;
  /** Several, none of which is likelier than the others; empty where one was chosen. */
  readonly several: readonly Candidate[];
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

/** They load a package's modules, which then start by themselves. */
const PACKAGE = new Set(["__init__.py", "__main__.py"]);

/**
 * Where the server of a checkout starts: `main.py` at its root where that has to
 * do with MCP, else a console script, else the file that makes a server, or that
 * imports those which do and is imported by none. Nothing of it runs.
 */
export async function detect(files: Survey, folder: string): Promise<Detected> {
  const main = posix.normalize(posix.join(folder, "main.py"));
  if (files.has(main) && speaksMcp((await closureOf(files, main)).foreign)) {
    return one(main, `${main} is the default and is there`);
  }
  const servers: string[] = [];
  for (const path of files.python) if ((await serverIn(files, path)) !== null) servers.push(path);
  const because = files.has(main) ? `${main} has nothing to do with MCP` : "there is no main.py";
  const scripts = await serverScripts(files, folder);
  const script = onlyScript(scripts);
  if (script) return { chosen: scriptCandidate(script, because), several: [] };

  const starts = await startsOf(files, servers);
  const usual = USUAL.map((name) => posix.normalize(posix.join(folder, name))).find((name) =>
    starts.includes(name),
  );
  if (usual !== undefined) return one(usual, `${because}; ${usual} ${await madeWords(files, usual)}`);
  const [first, ...others] = starts;
  if (first !== undefined && others.length === 0) {
    return one(first, `${because}; ${first} is the only file that ${await onlyWords(files, first)}`);
  }
  const projects = await projectsOf(files, folder);
  const byProject = projects.length > 1 || (first === undefined && projects.length > 0) ? projects : [];
  const named = starts.filter((path) => USUAL.includes(basename(path)));
  if (byProject.length <= 1 && named.length === 1 && named[0] !== undefined) {
    return one(named[0], `${because}; of the files that make a server only ${named[0]} has a usual name`);
  }
  if (first === undefined && byProject.length === 0 && scripts.length === 0)
    return { chosen: null, several: [] };
  if (byProject.length === 1 && first === undefined && byProject[0])
    return { chosen: byProject[0], several: [] };
  const covered = [...new Set(byProject.map(({ path }) => posix.dirname(path)))];
  const loose = starts.filter(
    (path) => !covered.some((own) => path.startsWith(`${own}/`) || posix.dirname(path) === own),
  );
  const listed = [
    ...byProject,
    ...(byProject.length === 0 ? scripts.map((found) => scriptCandidate(found, because)) : []),
    ...loose
      .filter((path) => byProject.length > 0 || !scripts.some((found) => found.path === path))
      .map((path) => ({ path, program: null, script: null, reason: because })),
  ];
  return { chosen: null, several: listed };
}

const made = new WeakMap<Survey, Map<string, Made | null>>();

/** What server a file makes, or null; looked at once. */
export async function serverIn(files: Survey, path: string): Promise<Made | null> {
  const kept = made.get(files) ?? new Map<string, Made | null>();
  made.set(files, kept);
  const known = kept.get(path);
  if (known !== undefined) return known;
  const found = serverMadeIn(await files.code(path), await files.text(path));
  kept.set(path, found);
  return found;
}

/** What server a file, or a file that it loads, makes; with that file. Null where none is seen. */
export async function serverBehind(
  files: Survey,
  path: string,
): Promise<{ readonly path: string; readonly made: Made } | null> {
  for (const file of (await closureOf(files, path)).files) {
    const made = await serverIn(files, file);
    if (made) return { path: file, made };
  }
  return null;
}

/** The script that starts exactly this file, if the project around it has one. */
export async function scriptOf(files: Survey, path: string): Promise<Script | null> {
  for (let folder = posix.dirname(path); ; folder = posix.dirname(folder)) {
    const found = (await consoleScripts(files, folder)).filter((script) => script.path === path);
    if (found.length > 0) return onlyScript(found) ?? found[0] ?? null;
    if (folder === ".") return null;
  }
}

function one(path: string, reason: string): Detected {
  return { chosen: { path, program: null, script: null, reason }, several: [] };
}

function scriptCandidate(script: Script, because: string): Candidate {
  const reason = `${because}; ${script.from} starts the project by ${script.name} = ${script.program}`;
  return { path: script.path, program: script.program, script: script.name, reason };
}

async function serverScripts(files: Survey, folder: string): Promise<Script[]> {
  const found: Script[] = [];
  for (const script of await consoleScripts(files, folder)) {
    if ((await serverBehind(files, script.path)) || speaksMcp((await closureOf(files, script.path)).foreign))
      found.push(script);
  }
  return found;
}

/**
 * Of scripts that lead to a server the one that is meant: alone, alone with "mcp"
 * in its name, the one that all others add a word to, or of one module.
 */
function onlyScript(scripts: readonly Script[]): Script | undefined {
  const [first] = scripts;
  if (scripts.length <= 1) return first;
  const named = scripts.filter((script) => /mcp/i.test(script.name));
  if (named.length === 1) return named[0];
  const plain = scripts.find((script) => scripts.every((other) => other.name.startsWith(script.name)));
  if (plain) return plain;
  const modules = new Set(scripts.map(({ path }) => path));
  if (modules.size > 1) return undefined;
  return scripts.find(({ program }) => /:(?:main|run|serve|cli|start)$/.test(program)) ?? first;
}

/** Projects that are looked at in one checkout, the shallowest. */
const MOST_PROJECTS = 200;

/** Projects in folders below, each with the script that starts its server. */
async function projectsOf(files: Survey, folder: string): Promise<Candidate[]> {
  const found: Candidate[] = [];
  const projects = files.files.filter(
    (path) => basename(path) === "pyproject.toml" && posix.dirname(path) !== folder,
  );
  for (const path of projects.slice(0, MOST_PROJECTS)) {
    await files.turn();
    const script = onlyScript(await serverScripts(files, posix.dirname(path)));
    if (script) found.push(scriptCandidate(script, `${path} is the only project here with a server`));
  }
  return found;
}

/**
 * The files from which all of these load, and which nothing else loads: a
 * server's own modules, or servers that it mounts, are no starts of their own.
 */
async function startsOf(files: Survey, servers: readonly string[]): Promise<string[]> {
  if (servers.length === 0) return [];
  const loads = new Map<string, ReadonlySet<string>>();
  for (const path of files.python) {
    const closure = new Set((await closureOf(files, path)).files);
    if (servers.some((server) => closure.has(server))) loads.set(path, closure);
  }
  const starts: string[] = [];
  for (const [path, closure] of loads) {
    await files.turn();
    const importers = [...loads].filter(
      ([other, its]) => other !== path && its.has(path) && !PACKAGE.has(basename(other)),
    );
    const makes = servers.includes(path);
    const above = importers.some(([other]) => !closure.has(other));
    // Of modules that load each other the one that makes the server starts.
    const second = !makes && importers.some(([other]) => closure.has(other) && servers.includes(other));
    const alone = makes && looksStarted(await files.code(path));
    if (alone || (!above && !second)) starts.push(path);
  }
  const modules = starts.filter((path) => !PACKAGE.has(basename(path)) || servers.includes(path));
  if (modules.length === 0) return starts;
  const made = modules.filter((path) => servers.includes(path));
  const whole = made.find((path) => made.every((other) => loads.get(path)?.has(other)));
  if (whole !== undefined) return [whole];
  if (made.length > 0) return made;
  // What only imports a server (a client, an evaluation) starts one where it looks started.
  const run: string[] = [];
  for (const path of modules) if (looksStarted(await files.code(path))) run.push(path);
  return run.length > 0 ? run : modules;
}

async function madeWords(files: Survey, path: string): Promise<string> {
  const made = await serverIn(files, path);
  return made ? made.why : "loads the file that makes a server";
}

async function onlyWords(files: Survey, path: string): Promise<string> {
  return (await serverIn(files, path)) ? "makes a server" : "loads the one that makes a server";
}
