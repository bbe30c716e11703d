import type { SessionRow } from "../../snapshot/session.ts";
import type { Tx } from "../../store/database.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";
import { sessionValues } from "./row.ts";

/** Open virtual sessions of one principal at one server; every one of them is kept in the memory of every gateway. */
export const MOST_VIRTUAL = 100;

/**
 * Begins a virtual session under its own id, unless it has begun already and
 * is not over: then that one stands, however many begin it at a time. False:
 * its principal has too many at this server.
 */
export async function beginSession(ctx: Context, row: SessionRow): Promise<boolean> {
  const values = sessionValues(row);
  const now = new Date(ctx.clock.now());
  return write(ctx, row.organization, async ({ tx, change }) => {
    if ((await countOthers(tx, row, now)) >= MOST_VIRTUAL) return false;
    await tx
      .insertInto("sessions")
      .values(values)
      .onConflict((conflict) =>
        conflict
          .columns(["organization", "id"])
          .doUpdateSet({ ...values, ended_at: null, log_level: null, upstream: null, subscriptions: null })
          .where(({ eb, or }) =>
            or([eb("sessions.ended_at", "is not", null), eb("sessions.expires_at", "<=", now)]),
          ),
      )
      .execute();
    await change("session", row.id);
    return true;
  });
}

async function countOthers(tx: Tx, row: SessionRow, now: Date): Promise<number> {
  const { count } = await tx
    .selectFrom("sessions")
    .select(({ fn }) => fn.countAll<string>().as("count"))
    .where("organization", "=", row.organization)
    .where("server", "=", row.server)
    .where("principal", "=", row.principal)
    .where("kind", "=", "virtual")
    .where("id", "<>", row.id)
    .where("expires_at", ">", now)
    .where("ended_at", "is", null)
    .executeTakeFirstOrThrow();
  return Number(count);
}
