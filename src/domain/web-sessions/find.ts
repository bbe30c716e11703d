import { sql } from "kysely";
import type { Principal } from "../../policy/decide.ts";
import type { Proof, Services } from "../context.ts";
import { hashSecret } from "./secret.ts";

export interface FoundWebSession {
  readonly organization: string;
  readonly id: string;
  readonly user: string;
  readonly principal: Exclude<Principal, { kind: "anonymous" }>;
  readonly proof: Proof;
}

const SEEN_EVERY_MS = 60_000;

/**
 * The session that a cookie's secret opens, as long as it is neither over nor
 * ended, its key is not revoked and its user is a member.
 */
export async function findWebSession(
  services: Services,
  secret: string,
): Promise<FoundWebSession | undefined> {
  const now = new Date(services.clock.now());
  const row = await services.db
    .selectFrom("web_sessions as w")
    .innerJoin("keys as k", (join) =>
      join.onRef("k.organization", "=", "w.organization").onRef("k.id", "=", "w.key"),
    )
    .select(["w.organization", "w.id", "w.user", "w.key", "w.last_seen_at"])
    .where("w.hash", "=", hashSecret(secret))
    .where("w.ended_at", "is", null)
    .where("w.expires_at", ">", now)
    .where("k.revoked_at", "is", null)
    .executeTakeFirst();
  const principal = row && services.snapshot.principal(row.organization, row.user);
  if (row === undefined || principal === undefined || principal.kind === "anonymous") return undefined;
  const { organization, id, user, key } = row;
  if (now.getTime() - row.last_seen_at.getTime() >= SEEN_EVERY_MS) {
    await services.db
      .updateTable("web_sessions")
      .set({ last_seen_at: sql<Date>`greatest(last_seen_at, ${now})` })
      .where("organization", "=", organization)
      .where("id", "=", id)
      .execute();
  }
  return { organization, id, user, principal, proof: { kind: "web_session", key } };
}
