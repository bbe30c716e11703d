import { sql } from "kysely";
import type { SessionNews, SessionRow } from "../../snapshot/session.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";
import { sessionValues } from "./row.ts";

/** Publishes what changed of a session. Its row need not be there yet: rows are written off the path of requests. */
export async function publishSession(ctx: Context, row: SessionRow, news: SessionNews): Promise<void> {
  const values = {
    ...(news.ended === undefined ? {} : { ended_at: new Date(ctx.clock.now()) }),
    ...(news.level === undefined ? {} : { log_level: news.level }),
    ...(news.upstream === undefined ? {} : { upstream: news.upstream }),
    ...(news.subscribed === undefined ? {} : { subscriptions: [news.subscribed] }),
  };
  const touched = news.subscribed ?? news.unsubscribed;
  await write(ctx, row.organization, async ({ tx, change }) => {
    await tx
      .insertInto("sessions")
      .values({ ...sessionValues(row), ...values })
      .onConflict((conflict) =>
        conflict.columns(["organization", "id"]).doUpdateSet({
          ...values,
          // The first end stays the end.
          ...(news.ended === undefined
            ? {}
            : { ended_at: sql<Date>`coalesce(sessions.ended_at, excluded.ended_at)` }),
          // Added to or taken from what is there, so that two at a time lose nothing.
          ...(touched === undefined
            ? {}
            : {
                subscriptions: sql<
                  string[]
                >`array_remove(sessions.subscriptions, ${touched}) || excluded.subscriptions`,
              }),
          last_seen_at: sql<Date>`greatest(sessions.last_seen_at, excluded.last_seen_at)`,
        }),
      )
      .execute();
    await change("session", row.id);
  });
}
