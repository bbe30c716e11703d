import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { inOrganization, notFound } from "../authorize.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";
import { keyView, selectKeys } from "./view.ts";

/** Revokes one's own key, or as an admin any key of the organization. Once more is no error. */
export async function revokeKey(
  ctx: Context,
  input: { organization: string; key: string },
): Promise<Output<Routes["revokeKey"]>> {
  const organization = inOrganization(ctx, input.organization);
  const { actor } = ctx;
  const find = () => selectKeys(ctx.db, organization).where("k.id", "=", input.key).executeTakeFirst();
  const key = await find();
  const mine = actor.kind === "system" || actor.organizationRole !== "member" || key?.principal === actor.id;
  if (key === undefined || !mine) throw notFound("key", input.key);
  if (key.revoked_at === null) {
    await write(ctx, organization, async ({ tx, audit, change }) => {
      await tx
        .updateTable("keys")
        .set({ revoked_at: new Date(ctx.clock.now()) })
        .where("organization", "=", organization)
        .where("id", "=", key.id)
        .where("revoked_at", "is", null)
        .execute();
      audit("key.revoke", key.id, { principal: key.principal, prefix: key.prefix });
      await change("key", key.id);
    });
  }
  return keyView((await find())!);
}
