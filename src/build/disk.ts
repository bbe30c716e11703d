import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const EVERY_MS = 2000;

/** Calls `onLimit`, once, when the files below `folder` take more than `limit` bytes. */
export function watchDisk(folder: string, limit: number, onLimit: () => void): { stop(): void } {
  let stopped = false;
  const look = async (): Promise<void> => {
    if ((await diskUsage(folder)) > limit && !stopped) {
      stopped = true;
      onLimit();
    }
    if (!stopped) timer = setTimeout(next, EVERY_MS);
  };
  // A folder that vanishes while it is measured is the end of the build.
  const next = (): void => void look().catch(() => {});
  let timer = setTimeout(next, EVERY_MS);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Bytes on disk of everything below `folder`; links are not followed, and what vanishes meanwhile counts nothing. */
export async function diskUsage(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sum += await diskUsage(path);
    else sum += ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * 512;
  }
  return sum;
}
