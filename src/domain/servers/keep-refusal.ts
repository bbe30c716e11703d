import { messageOf } from "../../lib/log.ts";
import type { EraRefusal } from "../../snapshot/era-refusals.ts";
import type { Context } from "../context.ts";
import { write } from "../write.ts";

/** Refusals kept of one server; those that came first go first. */
export const MOST_REFUSALS = 1000;

/**
 * Takes refusals of calls in the wrong era: each decides at once in this
 * process, and in every other one, also after a restart, once it is stored.
 */
export function createRefusals(ctx: Context): { refused(refusal: EraRefusal): void } {
  return {
    refused(refusal) {
      if (!ctx.snapshot.refused(refusal)) return;
      keepRefusal(ctx, refusal).catch((error: unknown) => {
        const { server } = refusal;
        ctx.log.warn("which era a capability needs is known in one process only", {
          server,
          error: messageOf(error),
        });
      });
    },
  };
}

/** Stores a refusal, however many meet it at a time, and publishes it. */
export async function keepRefusal(ctx: Context, refusal: EraRefusal): Promise<void> {
  const { organization, server } = refusal;
  await write(ctx, organization, async ({ tx, change }) => {
    const kept = await tx
      .insertInto("era_refusals")
      .values({ ...refusal, created_at: new Date(ctx.clock.now()) })
      .onConflict((conflict) => conflict.doNothing())
      .returning("seq")
      .executeTakeFirst();
    if (kept === undefined) return;
    const ofServer = tx
      .selectFrom("era_refusals")
      .select("seq")
      .where("organization", "=", organization)
      .where("server", "=", server)
      .orderBy("seq", "desc")
      .offset(MOST_REFUSALS)
      .limit(1);
    await tx
      .deleteFrom("era_refusals")
      .where("organization", "=", organization)
      .where("server", "=", server)
      .where("seq", "<=", ofServer)
      .execute();
    await change("server", server);
  });
}

/** Forgets what a server refused more than `ageMs` ago: its code may have changed since, so it is met anew. */
export async function forgetRefusals(
  ctx: Context,
  { organization, server }: { organization: string; server: string },
  ageMs: number,
): Promise<void> {
  await write(ctx, organization, async ({ tx, change }) => {
    const { numDeletedRows } = await tx
      .deleteFrom("era_refusals")
      .where("organization", "=", organization)
      .where("server", "=", server)
      .where("created_at", "<=", new Date(ctx.clock.now() - ageMs))
      .executeTakeFirst();
    if (numDeletedRows > 0n) await change("server", server);
  });
}
