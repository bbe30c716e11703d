import type { Services } from "../context.ts";

/** Forgets the sessions that nobody could use any more. */
export async function forgetSessions({ db, clock }: Services): Promise<void> {
  await db.deleteFrom("sessions").where("expires_at", "<", new Date(clock.now())).execute();
}
