import { inOrganization, notFound, requireRole } from "../authorize.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";

/**
 * Removes a service account: its keys are revoked, its grants are gone, at
 * once. What it did stays in builds, records and the audit chain, by its id.
 */
export async function removeServiceAccount(
  ctx: Context,
  input: { organization: string; principal: string },
): Promise<Record<string, never>> {
  const organization = inOrganization(ctx, input.organization);
  requireRole(ctx, "admin", "Removing a service account");
  await write(ctx, organization, async ({ tx, audit, change }) => {
    const gone = await tx
      .deleteFrom("service_accounts")
      .where("organization", "=", organization)
      .where("id", "=", input.principal)
      .returning("slug")
      .executeTakeFirst();
    if (gone === undefined) throw notFound("service account", input.principal);
    await tx
      .deleteFrom("grants")
      .where("organization", "=", organization)
      .where("principal", "=", input.principal)
      .execute();
    const keys = await tx
      .updateTable("keys")
      .set({ revoked_at: new Date(ctx.clock.now()) })
      .where("organization", "=", organization)
      .where("principal", "=", input.principal)
      .where("revoked_at", "is", null)
      .returning("id")
      .execute();
    audit("service_account.remove", input.principal, { slug: gone.slug, keys: keys.map(({ id }) => id) });
    for (const { id } of keys) await change("key", id);
    await change("principal", input.principal);
  });
  return {};
}
