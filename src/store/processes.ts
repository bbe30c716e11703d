import { sql } from "kysely";
import { newId } from "../lib/ids.ts";
import { type Log, messageOf } from "../lib/log.ts";
import type { Database } from "./database.ts";
import { freeJobsOfTheDead } from "./jobs.ts";
import type { Notices } from "./notices.ts";

/** Another program on this database may have been killed. */
const SWEEP_MS = 20_000;

/**
 * Which programs run on this database. Each holds a session-level advisory
 * lock on its connection, so that a killed one is known at once, however it
 * ended: its lock is free while its row says that it runs.
 */
export interface Processes {
  /** Programs that were killed since they were last looked for. */
  readonly killed: number;
  /** Remembers a worker, so that its jobs can be freed should we be killed. */
  addWorker(id: string): Promise<void>;
  close(): Promise<void>;
}

export async function joinProcesses(
  { db }: Database,
  notices: Notices,
  log: Log,
): Promise<Processes & { hold(): Promise<void> }> {
  const id = newId("prc");
  const { rows } = await sql<{
    lock: string;
  }>`select ('x' || left(md5(${id}), 15))::bit(60)::bigint as lock`.execute(db);
  const lock = rows[0]!.lock;
  const hold = async () => {
    await notices.query("select pg_advisory_lock($1::bigint)", [lock]);
    // While the lock's connection was away, another program may have held us to be dead.
    await db.updateTable("processes").set({ ended_at: null, killed: false }).where("id", "=", id).execute();
  };

  const sweep = () =>
    db.transaction().execute(async (tx) => {
      const dead = await tx
        .selectFrom("processes")
        .selectAll()
        .where("ended_at", "is", null)
        .where("id", "!=", id)
        .where(sql<boolean>`pg_try_advisory_xact_lock(lock)`)
        .forUpdate()
        .skipLocked()
        .execute();
      for (const row of dead) {
        await tx
          .updateTable("processes")
          .set({ ended_at: new Date(), killed: true })
          .where("id", "=", row.id)
          .execute();
      }
      await freeJobsOfTheDead(tx);
      return dead.length;
    });

  await hold();
  const killed = await sweep();
  await db.insertInto("processes").values({ id, lock }).execute();
  const timer = setInterval(() => {
    sweep().catch((error: unknown) =>
      log.warn("killed programs could not be looked for", { error: messageOf(error) }),
    );
  }, SWEEP_MS);
  return {
    killed,
    hold,
    async addWorker(worker) {
      await db
        .updateTable("processes")
        .set({ workers: sql`array_append(workers, ${worker})` })
        .where("id", "=", id)
        .execute();
    },
    async close() {
      clearInterval(timer);
      await db.updateTable("processes").set({ ended_at: new Date() }).where("id", "=", id).execute();
    },
  };
}
