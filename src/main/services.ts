import { join } from "node:path";
import type { Services } from "../domain/context.ts";
import type { Clock } from "../lib/clock.ts";
import { openSecret, sealSecret } from "../lib/envelope.ts";
import type { Log } from "../lib/log.ts";
import { deriveKeys, type Keyring } from "../lib/seal.ts";
import { createSnapshot } from "../snapshot/state.ts";
import { openBlobs } from "../store/blobs.ts";
import { openChanges } from "../store/changes.ts";
import type { Database } from "../store/database.ts";
import { openJobs } from "../store/jobs.ts";
import type { KeyringFile } from "../store/keyring.ts";
import { openNotices } from "../store/notices.ts";
import { createExternals } from "../upstream/externals.ts";
import type { HostPort } from "../upstream/guard.ts";
import type { Closing } from "./closing.ts";

export interface ServicesOptions {
  readonly database: Database;
  readonly dataDir: string;
  readonly sealing: Keyring;
  readonly clock: Clock;
  readonly log: Log;
  readonly publicUrl: () => string;
  /** What is ours on the network: no external server may be found there. */
  readonly own: () => readonly HostPort[];
  /** The listening connection was lost and is back. */
  readonly onReconnect?: () => Promise<void>;
}

/** What verbs stand on, over an open database: the same in the program and in each of its workers. */
export async function openServices(options: ServicesOptions, closing: Closing): Promise<Services> {
  const { database, sealing, clock, log } = options;
  const { db } = database;
  const notices = closing.add(await openNotices(database.connection, log, options.onReconnect));
  const jobs = closing.add(await openJobs(database.pool, log));
  const changes = closing.add(openChanges(db, notices, log));
  const snapshot = createSnapshot(() => clock.now());
  const externals = closing.add(
    createExternals({
      allow: (organization) => snapshot.allowedHosts(organization),
      own: options.own,
      trustedHosts: () => [],
    }),
  );
  return {
    db,
    changes,
    notices,
    jobs,
    clock,
    log,
    blobs: await openBlobs(join(options.dataDir, "blobs")),
    snapshot,
    externals,
    secrets: {
      seal: (context, plain) => sealSecret(sealing, context, plain),
      open: (context, sealed) => openSecret(sealing, context, sealed),
      derive: (context) => deriveKeys(sealing, context),
    },
    publicUrl: options.publicUrl,
  };
}

/** Resolves once the other gateway processes have applied a transaction of the change log; null: all that is committed now. */
export type Elsewhere = (xid: bigint | null) => Promise<void>;

/** The same, where a verb waits for the others too: its caller reads its own writes at whichever process it reaches. */
export function withOthers(services: Services, elsewhere: Elsewhere): Services {
  const { changes } = services;
  return {
    ...services,
    changes: {
      ...changes,
      applied: async (xid) => void (await Promise.all([changes.applied(xid), elsewhere(xid)])),
      caughtUp: async () => void (await Promise.all([changes.caughtUp(), elsewhere(null)])),
    },
  };
}

/** The keys that seal, as they are used. */
export function ringOf({ current, keys }: KeyringFile["sealing"]): Keyring {
  return {
    current,
    keys: new Map(Object.entries(keys).map(([id, key]) => [id, Buffer.from(key, "base64")])),
  };
}
