import type { Context } from "../context.ts";
import { write } from "../write.ts";

/** Publishes the end of a session; every replica refuses it from then on, until it would have expired. */
export async function endSession(
  ctx: Context,
  input: { organization: string; session: string; expiresAt: number },
): Promise<void> {
  const { organization, session } = input;
  await write(ctx, organization, async ({ tx, change }) => {
    await tx
      .insertInto("ended_sessions")
      .values({ organization, id: session, expires_at: new Date(input.expiresAt) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await change("session", session);
  });
}
