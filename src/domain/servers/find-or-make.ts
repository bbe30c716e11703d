import { OffingError } from "../../contract/errors.ts";
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
      .select(["organization", "id", "slug", "kind"])
      .where("organization", "=", organization)
      .where("slug", "=", slug)
      .executeTakeFirst();
  const found = await find();
  if (found && may(ctx, found, "discover")) {
    requirePermission(ctx, found, permission);
    if (found.kind !== "hosted") {
      throw new OffingError(
        "conflict",
        `${slug} is a server that runs elsewhere, so nothing is built for it`,
        {
          hint: "choose another name for the one that is to run here: ./offing deploy SOURCE --server SLUG",
        },
      );
    }
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
