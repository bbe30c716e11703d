import type { Services } from "../context.ts";
import { actorOf } from "../principals/actor.ts";
import { write } from "../write.ts";
import { findWebSession } from "./find.ts";
import { signOutEverywhere } from "./sign-out-everywhere.ts";

/** Ends the session of a cookie's secret, or all that its user has open in that organization. Without one, nothing is to do. */
export async function signOut(
  services: Services,
  secret: string,
  { everywhere }: { everywhere: boolean },
): Promise<void> {
  const session = await findWebSession(services, secret);
  if (session === undefined) return;
  const { organization, user } = session;
  const ctx = { ...services, actor: await actorOf(services, session.principal), proof: session.proof };
  if (everywhere) return void (await signOutEverywhere(ctx, { organization }));
  await write(ctx, organization, async ({ tx, audit }) => {
    const ended = await tx
      .updateTable("web_sessions")
      .set({ ended_at: new Date(ctx.clock.now()) })
      .where("organization", "=", organization)
      .where("id", "=", session.id)
      .where("ended_at", "is", null)
      .returning("id")
      .executeTakeFirst();
    if (ended !== undefined) audit("web_session.end", ended.id, { user });
  });
}
