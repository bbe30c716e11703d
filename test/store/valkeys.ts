import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { findValkey } from "../../src/main/valkey.ts";
import { accountForValkey } from "../../src/store/valkey/child.ts";
import { Connection } from "../../src/store/valkey/connection.ts";
import { openValkey, prefixOf, queueOf } from "../../src/store/valkey/valkey.ts";
import { testCache } from "../cache.ts";
import { python } from "../fixtures/environments.ts";

/** The program of a real Valkey. */
export const find = () => findValkey({ cacheDir: testCache, python, env: process.env, say: () => {} });

/** An empty folder of one test. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "offing-valkey-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A store of one test. */
export function open(options: { dataDir?: string; url?: string; started?: (pid: number) => void } = {}) {
  const valkey = openValkey({
    dataDir: options.dataDir ?? folder(),
    url: options.url,
    find,
    account: accountForValkey,
    key: Buffer.alloc(32, 7),
    log: {
      ...silentLog,
      info: (_, detail) => options.started?.((detail as { pid: number }).pid),
    },
  });
  onTestFinished(() => valkey.close());
  return valkey;
}

export const of = (server: string, artifact = "a") => ({
  server,
  artifact,
  scope: "production",
  variables: null,
});

/** A connection as the server's user. */
export async function signedIn(valkey: ReturnType<typeof open>, server: string): Promise<Connection> {
  return new Connection(await valkey.connect(of(server)));
}

/** What the runner is given, over a store. */
export function doorOf(valkey: ReturnType<typeof open>) {
  return {
    ...valkey,
    names: (target: Parameters<typeof queueOf>[0]) => ({
      prefix: prefixOf(target.server),
      queue: queueOf(target),
    }),
  };
}
