import { readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { setImmediate } from "node:timers/promises";
import { codeOf } from "./code.ts";
import { readText } from "./text.ts";

/** What lies in a checkout, looked at once. Paths are relative to it. */
export interface Survey {
  readonly root: string;
  /** Every plain file outside hidden folders, the shallowest first. */
  readonly files: readonly string[];
  /** Python files that may be a server's: no tests, examples, documents. */
  readonly python: readonly string[];
  has(path: string): boolean;
  /** The text of a file; "" for one that cannot be read, is larger than 1 MiB, or is past what is read in all. */
  text(path: string): Promise<string>;
  /** Its code without comments and the contents of strings. */
  code(path: string): Promise<string>;
  /** Lets the rest of the program go on; to be called between files. Throws the signal's reason once that is aborted. */
  turn(): Promise<void>;
}

const NO_CODE = new Set([
  "node_modules",
  "__pycache__",
  "site-packages",
  "tests",
  "test",
  "docs",
  "doc",
  "examples",
  "example",
  "benchmarks",
  "build",
  "dist",
]);
const NO_SERVER = /(?:^|\/)(?:test_[^/]*|[^/]*_test|setup|conftest|noxfile|fabfile)\.py$/;
const MAX_FILES = 20_000;
const MAX_PYTHON = 2000;
/** Characters that are kept of all files together: what is past them is not looked at. */
const MAX_TEXT = 32 * 1024 ** 2;

export async function survey(root: string, signal?: AbortSignal): Promise<Survey> {
  const files: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    if (entries.some((entry) => entry.name === "pyvenv.cfg")) return;
    for (const entry of entries) {
      if (files.length >= MAX_FILES) return;
      signal?.throwIfAborted();
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
        await walk(path);
      else if (entry.isFile()) files.push(path);
    }
  };
  await walk("");
  files.sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1));
  const python = files
    .filter((path) => path.endsWith(".py") && !NO_SERVER.test(path))
    .filter(
      (path) =>
        !posix
          .dirname(path)
          .split("/")
          .some((folder) => NO_CODE.has(folder)),
    )
    .slice(0, MAX_PYTHON);
  const known = new Set(files);
  const texts = new Map<string, Promise<string>>();
  const codes = new Map<string, Promise<string>>();
  let room = MAX_TEXT;
  const text = (path: string): Promise<string> =>
    cached(texts, path, async () => {
      const found = room <= 0 ? "" : await readText(join(root, path)).catch(() => "");
      room -= found.length;
      return found;
    });
  const turn = async (): Promise<void> => {
    await setImmediate();
    signal?.throwIfAborted();
  };
  return {
    root,
    files,
    python,
    has: (path) => known.has(path),
    text,
    code: (path) =>
      cached(codes, path, async () => {
        const found = await text(path);
        await turn();
        return codeOf(found);
      }),
    turn,
  };
}

/** The same checkout, as if only what lies in `folder` were there to be chosen. */
export function within(whole: Survey, folder: string): Survey {
  const inside = (path: string): boolean => path.startsWith(`${folder}/`);
  return { ...whole, files: whole.files.filter(inside), python: whole.python.filter(inside) };
}

function depth(path: string): number {
  return path.split("/").length;
}

function cached(
  kept: Map<string, Promise<string>>,
  path: string,
  make: () => Promise<string>,
): Promise<string> {
  const found = kept.get(path) ?? make();
  kept.set(path, found);
  return found;
}
