import { sql } from "kysely";
import type { Services } from "../context.ts";

/** How long a set outlives its last use: instances of the deployment that selected it may still be asked for. */
const KEEP_MS = 3_600_000;

/** Forgets sets that nothing takes any more, so that a removed or replaced value does not stay for good. */
export async function forgetVariableSets({ db, clock }: Services): Promise<void> {
  const before = new Date(clock.now() - KEEP_MS);
  await db
    .deleteFrom("variable_sets as s")
    .where(({ and, not, exists, selectFrom, eb }) =>
      and([
        // Replaced, and not just now: a build may be taking it.
        exists(
          selectFrom("variable_sets as n")
            .select("n.id")
            .whereRef("n.organization", "=", "s.organization")
            .whereRef("n.server", "=", "s.server")
            .whereRef("n.scope", "=", "s.scope")
            .whereRef("n.seq", ">", "s.seq")
            .where("n.created_at", "<", before),
        ),
        not(
          exists(
            selectFrom("deployments as d")
              .select("d.id")
              .whereRef("d.organization", "=", "s.organization")
              .whereRef("d.server", "=", "s.server")
              .whereRef("d.scope", "=", "s.scope")
              .where((e) =>
                e.or([e("d.variable_set", "=", sql<string>`s.id`), e("d.updated_at", ">", before)]),
              ),
          ),
        ),
        not(
          exists(
            selectFrom("builds as b")
              .select("b.id")
              .whereRef("b.organization", "=", "s.organization")
              .whereRef("b.variable_set", "=", "s.id")
              .where("b.status", "in", ["queued", "building"]),
          ),
        ),
        eb("s.created_at", "<", before),
      ]),
    )
    .execute();
}
