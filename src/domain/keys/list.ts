import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { inOrganization } from "../authorize.ts";
import type { Context } from "../context.ts";
import { decodeCursor, toPage } from "../page.ts";
import { keyView, selectKeys } from "./view.ts";

/** The actor's keys, newest first; an admin sees every key of the organization. */
export async function listKeys(
  ctx: Context,
  input: { organization: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listKeys"]>> {
  const organization = inOrganization(ctx, input.organization);
  const { actor } = ctx;
  let query = selectKeys(ctx.db, organization);
  if (actor.kind !== "system" && actor.organizationRole === "member")
    query = query.where("k.principal", "=", actor.id);
  const after = decodeCursor(input.cursor, 1);
  if (after) query = query.where("k.id", "<", after[0]!);
  const rows = await query
    .orderBy("k.id", "desc")
    .limit(input.limit + 1)
    .execute();
  return toPage(rows, input.limit, keyView, (row) => [row.id]);
}
