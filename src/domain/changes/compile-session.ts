import { SESSION_IDLE_MS, type SessionState } from "../../snapshot/session.ts";
import type { Shard } from "../../snapshot/state.ts";
import { sql } from "kysely";
import type { Db } from "../../store/database.ts";

const columns = [
  "id",
  "organization",
  "server",
  "principal",
  "kind",
  "created_at",
  "expires_at",
  "ended_at",
  "log_level",
  "upstream",
  "subscriptions",
] as const;

const ended: SessionState = { ended: true };

/** What is published of a session; nothing when nothing is. */
export async function compileSession(db: Db, organization: string, id: string): Promise<Shard | undefined> {
  const row = await db
    .selectFrom("sessions")
    .select(columns)
    .where("organization", "=", organization)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && shardOf(row);
}

/** Everything that is published of sessions; of those that have ended, those that began first come first. */
export async function compileSessions(
  db: Db,
  now: number,
): Promise<{ organization: string; shard: Shard }[]> {
  const rows = await db
    .selectFrom("sessions")
    .select(columns)
    .where(({ eb, or }) =>
      or([
        eb("kind", "=", "virtual"),
        eb("ended_at", "is not", null),
        eb("log_level", "is not", null),
        eb("upstream", "is not", null),
        eb("subscriptions", "is not", null),
        eb("expires_at", ">", isExtendedAt),
      ]),
    )
    .where("expires_at", ">", new Date(now))
    .orderBy("created_at")
    .execute();
  return rows.map((row) => ({ organization: row.organization, shard: shardOf(row) }));
}

/** A session that expires later than this was carried on. */
export const isExtendedAt = sql<Date>`created_at + ${SESSION_IDLE_MS} * interval '1 millisecond'`;

interface Row {
  readonly id: string;
  readonly server: string;
  readonly principal: string;
  readonly kind: "handshake" | "virtual";
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly ended_at: Date | null;
  readonly log_level: string | null;
  readonly upstream: string | null;
  readonly subscriptions: string[] | null;
}

function shardOf(row: Row): Shard & { kind: "session" } {
  const { server, principal } = row;
  const [began, expiresAt] = [row.created_at.getTime(), row.expires_at.getTime()];
  const isHandshake = row.kind === "handshake";
  const session: SessionState =
    row.ended_at !== null
      ? ended
      : {
          ended: false,
          ...(isHandshake ? { until: expiresAt } : { began }),
          level: row.log_level ?? undefined,
          ...(row.subscriptions === null ? {} : { subscriptions: row.subscriptions }),
          upstream: row.upstream ?? undefined,
        };
  return {
    kind: "session",
    subject: row.id,
    began,
    expiresAt,
    session,
    holder: isHandshake ? { server, principal } : undefined,
  };
}
