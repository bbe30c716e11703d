import { type RawBuilder, sql } from "kysely";
import { Lru } from "../../lib/lru.ts";
import { MOST_ENDED } from "../../snapshot/kept-sessions.ts";
import type { SessionRow } from "../../snapshot/session.ts";
import type { Db } from "../../store/database.ts";
import { isExtendedAt } from "../changes/compile-session.ts";
import type { Services } from "../context.ts";

/** Rows of one principal at one server of sessions of which nothing is published; they are a list and no more. */
export const MOST_LISTED = 1_000;
/** So many rows of one principal at one server are written between two looks. */
const LOOK_EVERY = 500;
/** Rows that one statement deletes at most: more than come between two looks. */
const STEP = 2_000;

/** Whose sessions were written how often since somebody looked. */
type Counts = Lru<string, number>;

/**
 * Keeps the rows of one principal's handshake sessions at one server few,
 * whoever opens and ends them in a loop. A session whose row goes is as good as
 * before: it is sealed into its id, and its next use writes the row again. Of
 * the ended ones the newest stay, and one more than a gateway keeps: by it a
 * gateway that starts knows that there were others (`KeptSessions`).
 */
export function createSessionTrimmer({
  db,
}: Pick<Services, "db">): (rows: readonly SessionRow[]) => Promise<void> {
  const counts: Counts = new Lru(10_000);
  return async (rows) => {
    for (const { organization, server, principal, kind } of rows) {
      if (kind !== "handshake") continue;
      const holder = JSON.stringify([organization, server, principal]);
      const count = (counts.get(holder) ?? 0) + 1;
      counts.set(holder, count % LOOK_EVERY);
      if (count === LOOK_EVERY) await trimSessions(db, { organization, server, principal });
    }
  };
}

type Holder = Pick<SessionRow, "organization" | "server" | "principal">;

/** Deletes the oldest rows of which there are too many. */
export async function trimSessions(db: Db, holder: Holder): Promise<void> {
  const plain = sql<boolean>`ended_at is null and log_level is null and upstream is null and subscriptions is null
    and expires_at <= ${isExtendedAt}`;
  await deleteBeyond(db, holder, plain, sql`last_seen_at desc`, MOST_LISTED);
  await deleteBeyond(db, holder, sql<boolean>`ended_at is not null`, sql`created_at desc`, MOST_ENDED + 1);
}

async function deleteBeyond(
  db: Db,
  { organization, server, principal }: Holder,
  concerned: RawBuilder<boolean>,
  order: RawBuilder<unknown>,
  most: number,
): Promise<void> {
  // A row of which something is published meanwhile has another place then, and stays.
  await db
    .deleteFrom("sessions")
    .where(
      sql<boolean>`ctid = any(array(select ctid from sessions
        where organization = ${organization} and server = ${server} and principal = ${principal}
          and kind = 'handshake' and ${concerned}
        order by ${order} offset ${sql.lit(most)} limit ${sql.lit(STEP)}))`,
    )
    .execute();
}
