import { copyFile, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { StepContext } from "../services.ts";

const MOST = 5000;

/**
 * Puts what only the project's wheel has (a generated `_version.py`, a compiled
 * module) beside the code it belongs to: the checkout serves, and comes before
 * the wheel on `sys.path`. `wheel` and `source` are folders; no file of the
 * checkout is changed.
 */
export async function addGenerated(
  context: StepContext,
  wheel: string,
  source: string,
  pythonPath: readonly string[],
): Promise<void> {
  const roots = [...new Set([...pythonPath, "src", "."])];
  const added: string[] = [];
  for (const name of await readdir(wheel)) {
    if (name.endsWith(".dist-info") || name.endsWith(".data")) continue;
    for (const root of roots) {
      if (!(await isFolder(join(source, root, name)))) continue;
      for (const path of await filesOf(join(wheel, name))) {
        const at = posix.join(root, name, path);
        if (await exists(join(source, at))) continue;
        if (!(await insideFolders(source, posix.dirname(at)))) continue;
        await mkdir(dirname(join(source, at)), { recursive: true });
        await copyFile(join(wheel, name, path), join(source, at));
        added.push(at);
      }
      break;
    }
  }
  if (added.length === 0) return;
  const shown = added.slice(0, 3).join(", ");
  context.say(
    `the build made ${shown}${added.length > 3 ? ` and ${added.length - 3} more files` : ""}, which the repository has not; put beside the code`,
  );
}

async function filesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      if (found.length >= MOST) return;
      const path = posix.join(below, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push(path);
    }
  };
  await walk("");
  return found;
}

/** Whether every folder on the way is a real one or not there yet: links of the checkout are not followed. */
async function insideFolders(root: string, path: string): Promise<boolean> {
  let at = root;
  for (const name of path.split("/")) {
    at = join(at, name);
    const found = await lstat(at).catch(() => undefined);
    if (found !== undefined && !found.isDirectory()) return false;
  }
  return true;
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
