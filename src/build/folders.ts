import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Removes a folder whatever permissions are in it: read-only folders keep an ordinary user out. */
export async function removeFolder(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!["EACCES", "EPERM", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await openFolders(path);
    await rm(path, { recursive: true, force: true });
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
