import type { z } from "zod";
import type { Variable } from "../../contract/schemas.ts";
import { deployCommand } from "../builds/command.ts";
import type { Context } from "../context.ts";
import type { LoadedServer } from "../servers/load.ts";
import { selectNewest } from "./sets.ts";

export type VariableView = z.output<typeof Variable>;

/** The variables of a server's newest production set, by name. Values are not read. */
export async function viewVariables(
  ctx: Context,
  server: Pick<LoadedServer, "organization" | "id">,
): Promise<VariableView[]> {
  const { organization } = server;
  // In one statement: the set that is the newest now may be forgotten as the next one is made.
  const newest = selectNewest(ctx.db, { organization, server: server.id, scope: "production" });
  const rows = await ctx.db
    .selectFrom("variables as v")
    .leftJoin("users as u", "u.id", "v.updated_by")
    .leftJoin("service_accounts as a", (join) =>
      join.onRef("a.organization", "=", "v.organization").onRef("a.id", "=", "v.updated_by"),
    )
    .select(["v.name", "v.updated_at", "v.updated_by", "u.name as user_name", "a.slug as account_slug"])
    .where("v.organization", "=", organization)
    .where("v.variable_set", "=", newest)
    .orderBy("v.name")
    .execute();
  return rows.map((row) => ({
    name: row.name,
    scope: "production",
    updatedAt: row.updated_at.toISOString(),
    updatedBy: { id: row.updated_by, name: row.account_slug ?? row.user_name ?? row.updated_by },
  }));
}

/** What a change of variables answers: names, and what makes it effective. */
export async function viewChange(
  ctx: Context,
  server: Pick<LoadedServer, "organization" | "id" | "slug">,
  changed: readonly string[],
): Promise<{ items: VariableView[]; changed: string[]; next: string }> {
  const command = await deployCommand(ctx.db, server);
  return {
    items: await viewVariables(ctx, server),
    changed: [...changed],
    next: `The next build takes this effect; what serves now keeps the values it has. Deploy: ${command}`,
  };
}
