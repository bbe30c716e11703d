import type { Services } from "../context.ts";

const DAY_MS = 24 * 3_600_000;

/** Forgets sessions that are over, and links a day after: until then who comes late is told what is the matter. */
export async function forgetWebSessions({ db, clock }: Services): Promise<void> {
  const now = clock.now();
  await db.deleteFrom("web_sessions").where("expires_at", "<", new Date(now)).execute();
  await db
    .deleteFrom("sign_in_links")
    .where("expires_at", "<", new Date(now - DAY_MS))
    .execute();
}
