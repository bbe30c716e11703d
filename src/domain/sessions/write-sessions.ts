import { sql } from "kysely";
import { messageOf } from "../../lib/log.ts";
import type { SessionRow } from "../../snapshot/session.ts";
import type { Services } from "../context.ts";
import { createQueue, type Queue } from "../records/queue.ts";
import { sessionValues } from "./row.ts";
import { createSessionTrimmer } from "./trim.ts";

/** Sessions that began or were used, into their table, a batch each 200 ms. */
export function createSessionWriter({ db, log }: Services): Queue<SessionRow> {
  const trim = createSessionTrimmer({ db });
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
      // They are written, whatever becomes of those that are too many.
      await trim(rows).catch((error: unknown) => {
        log.warn("session rows could not be trimmed", { error: messageOf(error) });
      });
    },
  });
}
