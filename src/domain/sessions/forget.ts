import { sql } from "kysely";
import type { Services } from "../context.ts";

/** Rows that one statement deletes at most, so that none holds locks for long. */
const STEP = 1_000;

/** Forgets the sessions that nobody could use any more. */
export async function forgetSessions({ db, clock }: Services): Promise<void> {
  const now = new Date(clock.now());
  for (;;) {
    // A row that changes meanwhile has another place then, and stays.
    const { numDeletedRows } = await db
      .deleteFrom("sessions")
      .where(
        sql<boolean>`ctid = any(array(select ctid from sessions where expires_at < ${now} limit ${sql.lit(STEP)}))`,
      )
      .executeTakeFirstOrThrow();
    if (numDeletedRows < STEP) return;
  }
}
