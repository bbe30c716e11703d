import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const EVERY_MS = 2000;

/** What a build takes of the disk, in all the folders that it makes. */
export interface Disk {
  /** Counts another folder from now on; the function returned ends that. */
  add(folder: string): () => void;
  /** Looks now, for those who are about to keep what was made. */
  check(): Promise<void>;
  stop(): void;
}

/** Calls `onLimit`, once, when the files below the folders take more than `limit` bytes. */
export function watchDisk(folder: string, limit: number, onLimit: () => void): Disk {
  const folders = new Set([folder]);
  let stopped = false;
  const check = async (): Promise<void> => {
    if (stopped || (await diskUsage(folders)) <= limit || stopped) return;
    stopped = true;
    onLimit();
  };
  const look = async (): Promise<void> => {
    await check();
    if (!stopped) timer = setTimeout(next, EVERY_MS);
  };
  // A folder that vanishes while it is measured is the end of the build.
  const next = (): void => void look().catch(() => {});
  let timer = setTimeout(next, EVERY_MS);
  return {
    add(other) {
      folders.add(other);
      return () => void folders.delete(other);
    },
    check,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Bytes on disk of everything below the folders, a file with several names once; links are not followed, and what vanishes meanwhile counts nothing. */
export async function diskUsage(folders: Iterable<string>): Promise<number> {
  const seen = new Set<string>();
  const walk = async (folder: string): Promise<number> => {
    let sum = 0;
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        sum += await walk(path);
        continue;
      }
      const found = await lstat(path).catch(() => undefined);
      if (!found) continue;
      if (found.nlink > 1) {
        const file = `${found.dev}:${found.ino}`;
        if (seen.has(file)) continue;
        seen.add(file);
      }
      sum += found.blocks * 512;
    }
    return sum;
  };
  let sum = 0;
  for (const folder of folders) sum += await walk(folder);
  return sum;
}
