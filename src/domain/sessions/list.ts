import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { may } from "../authorize.ts";
import type { Context } from "../context.ts";
import { decodeMoment, toPage } from "../page.ts";
import { loadServer } from "../servers/load.ts";

/** A server's sessions, newest first, ended ones of the last day too: for its editors all of them, else the actor's own. */
export async function listSessions(
  ctx: Context,
  input: { organization: string; server: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listSessions"]>> {
  const server = await loadServer(ctx, input, "discover");
  const after = decodeMoment(input.cursor);
  let query = ctx.db
    .selectFrom("sessions as s")
    .leftJoin("users as u", "u.id", "s.principal")
    .leftJoin("service_accounts as a", (join) =>
      join.onRef("a.organization", "=", "s.organization").onRef("a.id", "=", "s.principal"),
    )
    .selectAll("s")
    .select(["u.name as user_name", "a.slug as account_slug"])
    .where("s.organization", "=", server.organization)
    .where("s.server", "=", server.id);
  const { actor } = ctx;
  if (actor.kind !== "system" && !may(ctx, server, "logs")) query = query.where("s.principal", "=", actor.id);
  if (after)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple("s.created_at", "s.id"), "<", tuple(after.at, after.id)),
    );
  const rows = await query
    .orderBy("s.created_at", "desc")
    .orderBy("s.id", "desc")
    .limit(input.limit + 1)
    .execute();
  const now = ctx.clock.now();
  return toPage(
    rows,
    input.limit,
    (row) => ({
      id: row.id,
      kind: row.kind,
      deployment: row.deployment,
      principal: { id: row.principal, name: row.account_slug ?? row.user_name ?? row.principal },
      client: row.client_name === null ? null : { name: row.client_name, version: row.client_version },
      revision: row.revision,
      state: stateOf(row, now),
      startedAt: row.created_at.toISOString(),
      lastSeenAt: row.last_seen_at.toISOString(),
      expiresAt: row.expires_at.toISOString(),
      endedAt: row.ended_at?.toISOString() ?? null,
    }),
    (row) => [row.created_at.toISOString(), row.id],
  );
}

function stateOf(row: { ended_at: Date | null; expires_at: Date }, now: number) {
  if (row.ended_at !== null) return "ended" as const;
  return row.expires_at.getTime() <= now ? ("expired" as const) : ("open" as const);
}
