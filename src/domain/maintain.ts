import { sql } from "kysely";
import { pruneChanges } from "../store/changes.ts";
import { type AuditSigner, checkpointAudit } from "./audit/checkpoint.ts";
import type { Services } from "./context.ts";
import { maintainPartitions } from "./records/partitions.ts";
import { forgetSessions } from "./sessions/forget.ts";
import { forgetUploads } from "./uploads/forget.ts";
import { forgetVariableSets } from "./variables/forget.ts";
import { forgetWebSessions } from "./web-sessions/forget.ts";

/** What has to be done now and then: partitions, checkpoints, and forgetting what nobody needs. Idempotent. */
export async function maintain(services: Services, signer: AuditSigner): Promise<void> {
  const { db } = services;
  await maintainPartitions(services);
  await checkpointAudit(services, signer);
  await pruneChanges(db);
  await forgetUploads(services);
  await forgetVariableSets(services);
  await forgetWebSessions(services);
  await forgetSessions(services);
  await db
    .deleteFrom("processes")
    .where("ended_at", "<", sql<Date>`now() - interval '7 days'`)
    .execute();
  await db
    .deleteFrom("idempotency")
    .where(({ eb, or, and }) =>
      or([
        eb("created_at", "<", sql<Date>`now() - interval '24 hours'`),
        and([eb("status", "is", null), eb("created_at", "<", sql<Date>`now() - interval '15 minutes'`)]),
      ]),
    )
    .execute();
}
