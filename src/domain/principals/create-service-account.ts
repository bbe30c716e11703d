import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { newId } from "../../lib/ids.ts";
import { inOrganization, requireRole } from "../authorize.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";

/** A principal for programs. It may nothing until it gets grants, unless it is an admin. */
export async function createServiceAccount(
  ctx: Context,
  input: { organization: string; slug: string; role: "admin" | "member" },
): Promise<Output<Routes["createServiceAccount"]>> {
  const organization = inOrganization(ctx, input.organization);
  requireRole(ctx, "admin", "Making a service account");
  const id = newId("svc", ctx.clock.now());
  const at = new Date(ctx.clock.now());
  await write(ctx, organization, async ({ tx, audit, change }) => {
    const made = await tx
      .insertInto("service_accounts")
      .values({ organization, id, slug: input.slug, role: input.role, created_at: at })
      .onConflict((conflict) => conflict.columns(["organization", "slug"]).doNothing())
      .returning("id")
      .executeTakeFirst();
    if (made === undefined)
      throw new OffingError("conflict", `there is a service account "${input.slug}" already`);
    audit("service_account.create", id, { slug: input.slug, role: input.role });
    await change("principal", id);
  });
  return { id, slug: input.slug, role: input.role, createdAt: at.toISOString() };
}
