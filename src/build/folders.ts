import { execFile } from "node:child_process";
import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Removes a folder whatever permissions are in it: read-only folders keep an ordinary user out. */
export async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!["EACCES", "EPERM", "ENOTEMPTY", "ENAMETOOLONG"].includes(code)) throw error;
    await openFolders(path).catch(() => {});
    // It goes from folder to folder, so that no path is too long for it.
    await run("rm", ["-rf", "--", path]);
  }
}

/** Removes what a process that is no more left half made: folders `.new-…-<pid>-…`. */
export async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(/^\.new-\w+-(\d+)-\d+$/.exec(name)?.[1]);
    if (pid > 0 && pid !== process.pid && !alive(pid)) await removeFolder(join(folder, name));
  }
}

async function openFolders(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await openFolders(join(path, entry.name));
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
