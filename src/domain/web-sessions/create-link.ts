import { OffingError } from "../../contract/errors.ts";
import type { Output } from "../../contract/route.ts";
import type { Routes } from "../../contract/routes.ts";
import { newId } from "../../lib/ids.ts";
import { inOrganization } from "../authorize.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";
import { LINK_MS, newLinkToken } from "./secret.ts";

/**
 * A link that signs the actor in to the pages, once. What it opens lives no
 * longer than the key that asked for it: revoking the key ends it.
 */
export async function createSignInLink(
  ctx: Context,
  input: { organization: string },
): Promise<Output<Routes["createSignInLink"]>> {
  const organization = inOrganization(ctx, input.organization);
  const { actor, proof } = ctx;
  if (actor.kind !== "user") {
    throw new OffingError("forbidden", "the pages are for people, and this key is not a person's", {
      hint: "use a key of your own: ./offing sign-in on the machine of the program uses the owner's",
    });
  }
  if (proof?.kind !== "key") {
    throw new OffingError("forbidden", "a sign-in link is made with a key, not from a signed-in browser", {
      hint: "run: ./offing sign-in",
    });
  }
  const now = ctx.clock.now();
  const id = newId("lnk", now);
  const expires = new Date(now + LINK_MS);
  const { secret, hash } = newLinkToken();
  await write(ctx, organization, async ({ tx, audit }) => {
    await tx
      .insertInto("sign_in_links")
      .values({
        organization,
        id,
        user: actor.id,
        key: proof.key,
        hash,
        created_at: new Date(now),
        expires_at: expires,
      })
      .execute();
    audit("sign_in_link.create", id, { user: actor.id, key: proof.key });
  });
  // After the #, where no request line carries it: proxies keep those.
  return { url: `${ctx.publicUrl()}/sign-in#token=${secret}`, expiresAt: expires.toISOString() };
}
