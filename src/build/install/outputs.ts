import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { join, sep } from "node:path";

/**
 * A plain file below `root` that a sandboxed command left, by its real path;
 * code in the sandbox may have put a symbolic link in its place, or in the
 * place of a folder above. Throws when it is no plain file inside.
 */
export async function fileInside(root: string, path: string): Promise<string> {
  const base = await realpath(root);
  const real = await realpath(join(root, path));
  const found = await lstat(join(root, path));
  if (!found.isFile() || found.nlink > 1 || !real.startsWith(base + sep))
    throw new Error(`${path} is not a plain file of the build`);
  return real;
}

/** The text of such a file. */
export async function readInside(root: string, path: string): Promise<string> {
  return readFile(await fileInside(root, path), "utf8");
}

/** Paths, relative to `root`, of all plain files below `path` that end so; links are not followed. */
export async function filesInside(root: string, path: string, ending: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const at = join(folder, entry.name);
      if (entry.isDirectory()) await walk(at);
      else if (entry.isFile() && entry.name.endsWith(ending)) found.push(at);
    }
  };
  if ((await lstat(join(root, path)).catch(() => undefined))?.isDirectory()) await walk(path);
  return found.sort();
}
