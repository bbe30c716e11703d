import { sql } from "kysely";
import { SUBSCRIPTION_BYTES, type SessionNews, type SessionRow } from "../../snapshot/session.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";
import { sessionValues } from "./row.ts";

/**
 * Publishes what changed of a session. Its row need not be there yet: rows are
 * written off the path of requests. Of one that has ended nothing is kept, and
 * nothing more is published; nor is a subscription for which it has no room.
 */
export async function publishSession(ctx: Context, row: SessionRow, news: SessionNews): Promise<void> {
  const values = {
    ...(news.ended === undefined ? {} : { ended_at: new Date(ctx.clock.now()) }),
    ...(news.level === undefined ? {} : { log_level: news.level }),
    ...(news.upstream === undefined ? {} : { upstream: news.upstream }),
    ...(news.subscribed === undefined ? {} : { subscriptions: [news.subscribed] }),
    ...(news.until === undefined ? {} : { expires_at: new Date(news.until) }),
  };
  await write(ctx, row.organization, async ({ tx, change }) => {
    await tx
      .insertInto("sessions")
      .values({ ...sessionValues(row), ...values })
      .onConflict((conflict) =>
        conflict
          .columns(["organization", "id"])
          .doUpdateSet({
            ...values,
            ...(news.ended === undefined ? {} : { log_level: null, upstream: null, subscriptions: null }),
            ...subscriptionsWith(news),
            last_seen_at: sql<Date>`greatest(sessions.last_seen_at, excluded.last_seen_at)`,
            expires_at: sql<Date>`greatest(sessions.expires_at, excluded.expires_at)`,
          })
          .where("sessions.ended_at", "is", null),
      )
      .execute();
    await change("session", row.id);
  });
}

/** Added to or taken from what is there, so that two at a time lose nothing, and together take no more than their room. */
function subscriptionsWith({ subscribed, unsubscribed }: SessionNews) {
  if (unsubscribed !== undefined) {
    return { subscriptions: sql<string[]>`array_remove(sessions.subscriptions, ${unsubscribed})` };
  }
  if (subscribed === undefined) return {};
  const others = sql`array_remove(sessions.subscriptions, ${subscribed})`;
  const bytes = sql`octet_length(array_to_string(${others}, '')) + ${Buffer.byteLength(subscribed)}`;
  return {
    subscriptions: sql<string[]>`case when ${bytes} > ${SUBSCRIPTION_BYTES}
      then sessions.subscriptions else ${others} || excluded.subscriptions end`,
  };
}
