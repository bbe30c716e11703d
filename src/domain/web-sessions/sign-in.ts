import { OffingError } from "../../contract/errors.ts";
import { newId } from "../../lib/ids.ts";
import type { Context, Services } from "../context.ts";
import { actorOf } from "../principals/actor.ts";
import { write } from "../write.ts";
import { hashSecret, newSessionSecret, SESSION_MS } from "./secret.ts";

/** A session as its browser gets it; the secret is kept nowhere. */
export interface OpenedWebSession {
  readonly ctx: Context;
  readonly secret: string;
  readonly expiresAt: Date;
}

/**
 * Uses up a link's token and opens a session for its user. Of several that
 * come with the same token at once, one gets a session. Throws
 * `unauthenticated`, saying why the link opens nothing.
 */
export async function signIn(services: Services, token: string): Promise<OpenedWebSession> {
  const hash = hashSecret(token);
  const link = await findLink(services, hash);
  const principal = link && services.snapshot.principal(link.organization, link.user);
  const now = services.clock.now();
  if (link === undefined || principal === undefined || principal.kind === "anonymous")
    throw refused("this is no sign-in link of this Offing, or it is long over");
  if (link.revoked_at !== null) throw refused("the key that made this sign-in link was revoked");
  if (link.expires_at.getTime() <= now)
    throw refused("this sign-in link has expired; each is good for 15 minutes");

  const { organization, user, key } = link;
  const actor = await actorOf(services, principal);
  const ctx: Context = { ...services, actor, proof: { kind: "web_session", key } };
  const id = newId("web", now);
  const at = new Date(now);
  const expiresAt = new Date(now + SESSION_MS);
  const session = newSessionSecret();
  await write(ctx, organization, async ({ tx, audit }) => {
    // The row's lock lets one of many through; the others see the time.
    const used = await tx
      .updateTable("sign_in_links")
      .set({ used_at: at })
      .where("organization", "=", organization)
      .where("id", "=", link.id)
      .where("used_at", "is", null)
      .returning("id")
      .executeTakeFirst();
    if (used === undefined)
      throw refused(
        "this sign-in link was used already, or ended by signing out everywhere; each opens once",
      );
    await tx
      .insertInto("web_sessions")
      .values({
        organization,
        id,
        user,
        key,
        hash: session.hash,
        created_at: at,
        last_seen_at: at,
        expires_at: expiresAt,
      })
      .execute();
    audit("web_session.create", id, { user, link: link.id });
  });
  return { ctx, secret: session.secret, expiresAt };
}

function findLink({ db }: Services, hash: string) {
  return db
    .selectFrom("sign_in_links as l")
    .innerJoin("keys as k", (join) =>
      join.onRef("k.organization", "=", "l.organization").onRef("k.id", "=", "l.key"),
    )
    .select(["l.organization", "l.id", "l.user", "l.key", "l.expires_at", "k.revoked_at"])
    .where("l.hash", "=", hash)
    .executeTakeFirst();
}

function refused(detail: string): OffingError {
  return new OffingError("unauthenticated", detail, { hint: "for a new link run: ./offing sign-in" });
}
