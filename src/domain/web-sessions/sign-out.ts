import type { Services } from "../context.ts";
import { actorOf } from "../principals/actor.ts";
import { write } from "../write.ts";
import { findWebSession } from "./find.ts";

/** Ends the session of a cookie's secret, or every one of its user in that organization. Without one, nothing is to do. */
export async function signOut(
  services: Services,
  secret: string,
  { everywhere }: { everywhere: boolean },
): Promise<void> {
  const session = await findWebSession(services, secret);
  if (session === undefined) return;
  const { organization, user } = session;
  const ctx = { ...services, actor: await actorOf(services, session.principal), proof: session.proof };
  await write(ctx, organization, async ({ tx, audit }) => {
    let ending = tx
      .updateTable("web_sessions")
      .set({ ended_at: new Date(ctx.clock.now()) })
      .where("organization", "=", organization)
      .where("ended_at", "is", null);
    ending = everywhere ? ending.where("user", "=", user) : ending.where("id", "=", session.id);
    for (const { id } of await ending.returning("id").execute()) audit("web_session.end", id, { user });
  });
}
