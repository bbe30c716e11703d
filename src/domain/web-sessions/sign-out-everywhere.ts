import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { inOrganization } from "../authorize.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";

/** Ends every session of the actor in the organization, and uses up the links that would open more. */
export async function signOutEverywhere(
  ctx: Context,
  input: { organization: string },
): Promise<Output<Routes["signOutEverywhere"]>> {
  const organization = inOrganization(ctx, input.organization);
  const { actor } = ctx;
  if (actor.kind !== "user") {
    throw new OffingError("forbidden", "the pages are for people, and this key is not a person's", {
      hint: "use a key of the person who is to be signed out",
    });
  }
  const user = actor.id;
  const now = new Date(ctx.clock.now());
  return write(ctx, organization, async ({ tx, audit }) => {
    // Links first: a sign-in under way holds its link's row until its session is there to be ended.
    const links = await tx
      .updateTable("sign_in_links")
      .set({ used_at: now })
      .where("organization", "=", organization)
      .where("user", "=", user)
      .where("used_at", "is", null)
      .where("expires_at", ">", now)
      .returning("id")
      .execute();
    const sessions = await tx
      .updateTable("web_sessions")
      .set({ ended_at: now })
      .where("organization", "=", organization)
      .where("user", "=", user)
      .where("ended_at", "is", null)
      .where("expires_at", ">", now)
      .returning("id")
      .execute();
    for (const { id } of links) audit("sign_in_link.end", id, { user });
    for (const { id } of sessions) audit("web_session.end", id, { user });
    return { sessions: sessions.length, links: links.length };
  });
}
