import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface BwrapOptions {
  readonly cacheDir: string;
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (text: string) => void;
}

/** The absolute path of bubblewrap: on PATH, else fetched once; null where it cannot be had. */
export async function findBwrap(options: BwrapOptions): Promise<string | null> {
  for (const folder of (options.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "bwrap");
    if (folder !== "" && runnable(path)) return path;
  }
  return null;
}

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
