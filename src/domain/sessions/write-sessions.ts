import { sql } from "kysely";
import type { SessionRow } from "../../snapshot/session.ts";
import type { Services } from "../context.ts";
import { createQueue, type Queue } from "../records/queue.ts";
import { sessionValues } from "./row.ts";

/** Sessions that began or were used, into their table, a batch each 200 ms. */
export function createSessionWriter({ db, log }: Services): Queue<SessionRow> {
  return createQueue<SessionRow>({
    name: "session rows",
    capacity: 20_000,
    intervalMs: 200,
    batch: 500,
    log,
    async write(rows) {
      // One statement takes a row once.
      const newest = new Map(rows.map((row) => [`${row.organization} ${row.id}`, row]));
      await db
        .insertInto("sessions")
        .values([...newest.values()].map(sessionValues))
        .onConflict((conflict) =>
          conflict.columns(["organization", "id"]).doUpdateSet({
            last_seen_at: sql<Date>`greatest(sessions.last_seen_at, excluded.last_seen_at)`,
          }),
        )
        .execute();
    },
  });
}
