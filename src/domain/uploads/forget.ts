import { sql } from "kysely";
import type { Services } from "../context.ts";

const KEEP_MS = 24 * 3_600_000;

/** Forgets uploads older than a day that no waiting or running build needs, and bytes that no upload names. */
export async function forgetUploads(services: Services): Promise<void> {
  const { db, blobs, clock } = services;
  const before = new Date(clock.now() - KEEP_MS);
  await db
    .deleteFrom("uploads as u")
    .where("u.created_at", "<", before)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("builds as b")
            .select("b.id")
            .whereRef("b.organization", "=", "u.organization")
            .where(sql<boolean>`b.source->>'upload' = u.id`)
            .where("b.status", "in", ["queued", "building"]),
        ),
      ),
    )
    .execute();
  for await (const digest of blobs.olderThan(before)) {
    const named = await db.selectFrom("uploads").select("id").where("blob", "=", digest).executeTakeFirst();
    if (named === undefined) await blobs.remove(digest, before);
  }
}
