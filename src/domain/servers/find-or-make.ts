import { newId } from "../../lib/ids.ts";
import type { Permission } from "../../policy/permissions.ts";
import { may, requirePermission, requireRole } from "../authorize.ts";
import { actorId, type Context } from "../context.ts";
import type { Write } from "../write.ts";

/** The id of a hosted server by its slug, made when it is not there (by admins of the organization). */
export async function findOrMakeServer(
  ctx: Context,
  { tx, audit }: Write,
  organization: string,
  slug: string,
  permission: Permission,
): Promise<string> {
  const find = () =>
    tx
      .selectFrom("servers")
      .select(["organization", "id", "slug"])
      .where("organization", "=", organization)
      .where("slug", "=", slug)
      .executeTakeFirst();
  const found = await find();
  if (found && may(ctx, found, "discover")) {
    requirePermission(ctx, found, permission);
    return found.id;
  }
  // A server that the actor may not know of is as absent: the same refusal.
  requireRole(ctx, "admin", "Making a server");
  const id = newId("srv", ctx.clock.now());
  const made = await tx
    .insertInto("servers")
    .values({ organization, id, slug, kind: "hosted", owner: actorId(ctx.actor) })
    .onConflict((conflict) => conflict.columns(["organization", "slug"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (made === undefined) return (await find())!.id;
  audit("server.create", id, { slug, kind: "hosted" });
  return id;
}
