import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Context } from "../context.ts";
import { decodeCursor, toPage } from "../page.ts";
import { loadServer } from "../servers/load.ts";

/** Who has which role on a server. */
export async function listGrants(
  ctx: Context,
  input: { organization: string; server: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listGrants"]>> {
  const server = await loadServer(ctx, input, "administer");
  const after = decodeCursor(input.cursor, 1);
  let query = ctx.db
    .selectFrom("grants as g")
    .leftJoin("users as u", "u.id", "g.principal")
    .leftJoin("service_accounts as a", (join) =>
      join.onRef("a.organization", "=", "g.organization").onRef("a.id", "=", "g.principal"),
    )
    .select(["g.principal", "g.role", "u.name", "a.slug"])
    .where("g.organization", "=", server.organization)
    .where("g.server", "=", server.id);
  if (after) query = query.where("g.principal", ">", after[0]!);
  const rows = await query
    .orderBy("g.principal")
    .limit(input.limit + 1)
    .execute();
  return toPage(
    rows,
    input.limit,
    (row) => ({
      principal: {
        id: row.principal,
        kind: row.slug === null ? ("user" as const) : ("service_account" as const),
        name: row.slug ?? row.name ?? row.principal,
      },
      role: row.role,
    }),
    (row) => [row.principal],
  );
}
