import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import type { Context } from "../context.ts";

/** Who the actor is, and where. */
export async function me(ctx: Context): Promise<Output<Routes["me"]>> {
  const { actor } = ctx;
  if (actor.kind === "system")
    throw new OffingError("internal", "the program itself has no identity to show");
  const organization = await ctx.db
    .selectFrom("organizations")
    .select(["id", "slug", "name"])
    .where("id", "=", actor.organization)
    .executeTakeFirstOrThrow();
  return {
    principal: { id: actor.id, kind: actor.kind, name: actor.name },
    organization: { ...organization, role: actor.organizationRole },
  };
}
