import { posix } from "node:path";
import type { Survey } from "./survey.ts";

/** One imported module, as the statement names it. */
export interface Import {
  /** Dots before the name: 0 for an absolute import. */
  readonly level: number;
  /** `mcp.server.fastmcp`; "" for `from . import x`. */
  readonly module: string;
  /** Names after `import` of a `from` statement. */
  readonly names: readonly string[];
}

/** Each part ends where the next one cannot begin, so that a line is read in one way only. */
const STATEMENT =
  /^[ \t]*(?:from(?=[ \t.])[ \t]*(?![ \t])(\.{0,100})(?!\.)[ \t]*(?![ \t])(?:(?!import\b)([\w.]{1,500})(?![\w.])[ \t]+)?import\b[ \t]*(\([^)]{0,4000}\)|[^\n;]{0,1000})|import[ \t]+([^\n;]{1,1000}))/gm;
const MOST_IMPORTS = 500;
/** Names that are taken of one file. */
const MOST_NAMES = 4000;
const MOST_FILES = 400;
/** Places of a checkout at which modules are looked for, in all; past them no more is found in it. */
const MOST_LOOKUPS = 5_000_000;

/** The imports of a file's code (as `codeOf` gives it), wherever in the file they stand. */
export function importsOf(code: string): Import[] {
  const found: Import[] = [];
  let taken = 0;
  for (const match of code.matchAll(STATEMENT)) {
    if (found.length >= MOST_IMPORTS || taken >= MOST_NAMES) break;
    const [, dots = "", from = "", names = "", plain] = match;
    if (plain === undefined) {
      const words = names.replace(/[()\\]/g, " ").split(",");
      const named = words.map(firstWord).filter((word) => word !== "");
      found.push({ level: dots.length, module: from, names: named });
      taken += named.length + 1;
    } else {
      for (const word of plain.split(",").map(firstWord))
        if (word !== "") found.push({ level: 0, module: word, names: [] });
      taken = found.length;
    }
  }
  return found;
}

function firstWord(text: string): string {
  return /^\s*([\w.]+)/.exec(text)?.[1] ?? "";
}

/** Folders in which Python would look for a file's absolute imports within the checkout. */
export function importFolders(files: Survey, path: string): string[] {
  const own = posix.dirname(path);
  const found = [own];
  let folder = own;
  while (folder !== "." && files.has(posix.join(folder, "__init__.py"))) folder = posix.dirname(folder);
  found.push(folder);
  for (let above = folder; above !== "."; above = posix.dirname(above)) {
    if (files.has(posix.join(above, "pyproject.toml")) || files.has(posix.join(above, "setup.py")))
      found.push(posix.join(above, "src"), above);
  }
  return [...new Set([...found, "src", "."])];
}

/** The file of a dotted module below one of the folders, or undefined. */
export function moduleFile(files: Survey, folders: readonly string[], module: string): string | undefined {
  const path = module.replaceAll(".", "/");
  for (const folder of folders) {
    for (const candidate of [`${path}.py`, `${path}/__init__.py`]) {
      const at = posix.join(folder, candidate);
      if (files.has(at)) return at;
    }
  }
  return undefined;
}

/** Files of the checkout that one file imports, and the modules that are not in the checkout. */
interface Imported {
  readonly local: readonly string[];
  readonly foreign: readonly Import[];
}

/** What is known of a checkout's imports. */
interface Known {
  readonly files: Map<string, Promise<Imported>>;
  /** Lookups that are left. */
  left: number;
}

const known = new WeakMap<Survey, Known>();

function importedBy(files: Survey, path: string): Promise<Imported> {
  const kept = known.get(files) ?? { files: new Map<string, Promise<Imported>>(), left: MOST_LOOKUPS };
  known.set(files, kept);
  const found = kept.files.get(path) ?? readImports(files, path, kept);
  kept.files.set(path, found);
  return found;
}

async function readImports(files: Survey, path: string, kept: Known): Promise<Imported> {
  const local = new Set<string>();
  const foreign: Import[] = [];
  await files.turn();
  const roots = importFolders(files, path);
  for (const one of importsOf(await files.code(path))) {
    let folders = roots;
    if (one.level > 0) {
      let folder = posix.dirname(path);
      for (let up = 1; up < one.level; up++) folder = posix.dirname(folder);
      folders = [folder];
    }
    kept.left -= (one.names.length + 1) * folders.length;
    if (kept.left < 0) break;
    const targets = [
      one.module,
      ...one.names.map((name) => (one.module === "" ? name : `${one.module}.${name}`)),
    ];
    const found = targets
      .filter((target) => target !== "")
      .map((target) => moduleFile(files, folders, target))
      .filter((file) => file !== undefined);
    for (const file of found) if (file !== path) local.add(file);
    if (found.length === 0 && one.level === 0) foreign.push(one);
  }
  return { local: [...local], foreign };
}

/** What starting at a file loads: the files of the checkout, itself first, and every module from elsewhere. */
export interface Closure {
  readonly files: readonly string[];
  readonly foreign: readonly Import[];
}

/** Follows a file's imports through the checkout; at most 400 files. */
export async function closureOf(files: Survey, path: string): Promise<Closure> {
  await files.turn();
  const seen = new Set([path]);
  const foreign: Import[] = [];
  for (const file of seen) {
    const imported = await importedBy(files, file);
    foreign.push(...imported.foreign);
    for (const next of imported.local) if (seen.size < MOST_FILES) seen.add(next);
  }
  return { files: [...seen], foreign };
}

/** Whether one of these modules is about MCP: the SDK, FastMCP, or a library that says so in its name. */
export function speaksMcp(imports: readonly Import[]): boolean {
  return mcpLibraries(imports).length > 0;
}

/** The top-level modules among these that are about MCP. */
export function mcpLibraries(imports: readonly Import[]): string[] {
  const tops = imports.filter(({ level }) => level === 0).map(({ module }) => module.split(".")[0] ?? "");
  return [...new Set(tops.filter((top) => /mcp/i.test(top)))];
}
