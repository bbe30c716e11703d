import { sql } from "kysely";
import { type Log, messageOf } from "../lib/log.ts";
import type { Db, Tx } from "./database.ts";
import type { Notices } from "./notices.ts";
import type { ChangeKind } from "./tables.ts";

export interface Change {
  readonly organization: string | null;
  readonly kind: ChangeKind;
  readonly subject: string;
}

/**
 * The change log: what a verb changed, read back by every replica as it is
 * committed. A reader's position moves only below the oldest transaction that
 * still runs, so it passes over none that commits late; rows above are applied
 * at once and remembered, so that no slow transaction, of whatever program on
 * this PostgreSQL, holds a revocation back.
 */
export interface Changes {
  /** Appends within the verb's transaction. */
  append(tx: Tx, change: Change): Promise<void>;
  /** The id of the running transaction, for `applied`. */
  transactionId(tx: Tx): Promise<bigint>;
  /** Resolves once this replica has applied the transaction `xid`. */
  applied(xid: bigint): Promise<void>;
  /** Resolves once everything that is committed now is applied here. */
  caughtUp(): Promise<void>;
  /** Begins to follow from now on; `apply` is called with batches, one at a time. */
  follow(apply: (batch: readonly Change[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** Rows older than this are removed: longer than any replica sleeps between two looks. */
const KEEP_HOURS = 48;
const APPLY_WITHIN_MS = 10_000;

export function openChanges(db: Db, notices: Notices, log: Log): Changes {
  let position = { xid: 0n, id: 0n };
  /** Every transaction below this one is applied here. */
  let horizon = 0n;
  /** Ids of rows above the position that are applied already. */
  let ahead = new Set<string>();
  let apply: ((batch: readonly Change[]) => Promise<void>) | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let closed = false;
  const waiting = new Set<{ xid: bigint; resolve: () => void }>();

  async function readOnce(): Promise<void> {
    const bound = await sql<{
      xmin: string;
    }>`select pg_snapshot_xmin(pg_current_snapshot())::text as xmin`.execute(db);
    const xmin = BigInt(bound.rows[0]!.xmin);
    const rows = await db
      .selectFrom("changes")
      .select(["id", "organization", "kind", "subject"])
      .select(sql<string>`xid::text`.as("xid"))
      .where(sql<boolean>`(xid, id) > (${String(position.xid)}::xid8, ${String(position.id)}::bigint)`)
      .orderBy("changes.xid")
      .orderBy("id")
      .execute();
    const fresh = rows.filter((row) => !ahead.has(row.id));
    if (fresh.length > 0) await apply!(fresh);
    const last = rows.findLast((row) => BigInt(row.xid) < xmin);
    if (last) position = { xid: BigInt(last.xid), id: BigInt(last.id) };
    ahead = new Set(rows.filter((row) => BigInt(row.xid) >= xmin).map((row) => row.id));
    horizon = xmin;
    const seen = new Set(rows.map((row) => BigInt(row.xid)));
    for (const waiter of waiting) if (waiter.xid < horizon || seen.has(waiter.xid)) waiter.resolve();
  }

  /** One reader at a time; a wake-up during a read causes another read. */
  function wake(): void {
    if (!apply || closed) return;
    if (running) {
      again = true;
      return;
    }
    running = readOnce()
      .catch((error: unknown) => log.error("the change log could not be read", { error: messageOf(error) }))
      .finally(() => {
        running = undefined;
        if (again) {
          again = false;
          wake();
        }
      });
  }

  const unlisten = notices.on("changes", wake);
  const slow = setInterval(wake, 1000);
  slow.unref();

  return {
    async append(tx, change) {
      await tx.insertInto("changes").values(change).execute();
      await notices.send(tx, "changes", change.kind);
    },
    async transactionId(tx) {
      const found = await sql<{ xid: string }>`select pg_current_xact_id()::text as xid`.execute(tx);
      return BigInt(found.rows[0]!.xid);
    },
    async applied(xid) {
      if (xid < horizon || !apply) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter = { xid, resolve };
      waiting.add(waiter);
      const timer = setTimeout(() => {
        log.warn("a change is stored but not applied here yet", { xid: String(xid) });
        resolve();
      }, APPLY_WITHIN_MS);
      wake();
      await promise;
      clearTimeout(timer);
      waiting.delete(waiter);
    },
    async caughtUp() {
      // A read that runs may have begun too early; the one after it has not.
      await running;
      wake();
      await running;
    },
    async follow(next) {
      const start = await sql<{
        xmin: string;
      }>`select pg_snapshot_xmin(pg_current_snapshot())::text as xmin`.execute(db);
      horizon = BigInt(start.rows[0]!.xmin);
      // Everything from `horizon` on is read again: applying twice is harmless.
      position = { xid: horizon - 1n, id: 9_223_372_036_854_775_807n };
      apply = next;
      wake();
    },
    async close() {
      closed = true;
      unlisten();
      clearInterval(slow);
      for (const waiter of waiting) waiter.resolve();
      await running;
    },
  };
}

/** Drops rows that no reader needs any more. */
export async function pruneChanges(db: Db): Promise<void> {
  await db
    .deleteFrom("changes")
    .where("at", "<", sql<Date>`now() - make_interval(hours => ${KEEP_HOURS})`)
    .execute();
}
