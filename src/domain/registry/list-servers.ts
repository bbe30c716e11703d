import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { decide } from "../../policy/decide.ts";
import { inOrganization } from "../authorize.ts";
import type { Context } from "../context.ts";
import { decodeCursor, toPage } from "../page.ts";
import { selectServers, toServer } from "../servers/load.ts";
import { viewServers } from "./view.ts";

/** The servers that the actor may discover, by slug. */
export async function listServers(
  ctx: Context,
  input: { organization: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listServers"]>> {
  const organization = inOrganization(ctx, input.organization);
  const after = decodeCursor(input.cursor, 1);
  let query = selectServers(ctx, organization);
  if (after) query = query.where("s.slug", ">", after[0]!);
  const { actor } = ctx;
  if (actor.kind !== "system" && actor.organizationRole === "member") {
    const granted = [...actor.grants.keys()].filter(
      (server) => decide(actor, { organization, server }, "discover").effect === "allow",
    );
    query = query.where("s.id", "in", granted.length > 0 ? granted : [""]);
  }
  const rows = await query
    .orderBy("s.slug")
    .limit(input.limit + 1)
    .execute();
  const page = toPage(rows, input.limit, toServer, (row) => [row.slug]);
  return { items: await viewServers(ctx, page.items), nextCursor: page.nextCursor };
}
