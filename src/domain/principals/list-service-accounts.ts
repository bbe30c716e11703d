import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { inOrganization } from "../authorize.ts";
import type { Context } from "../context.ts";
import { decodeCursor, toPage } from "../page.ts";

export async function listServiceAccounts(
  ctx: Context,
  input: { organization: string; limit: number; cursor?: string | undefined },
): Promise<Output<Routes["listServiceAccounts"]>> {
  const organization = inOrganization(ctx, input.organization);
  const after = decodeCursor(input.cursor, 1);
  let query = ctx.db.selectFrom("service_accounts").selectAll().where("organization", "=", organization);
  if (after) query = query.where("slug", ">", after[0]!);
  const rows = await query
    .orderBy("slug")
    .limit(input.limit + 1)
    .execute();
  return toPage(
    rows,
    input.limit,
    (row) => ({ id: row.id, slug: row.slug, role: row.role, createdAt: row.created_at.toISOString() }),
    (row) => [row.slug],
  );
}
