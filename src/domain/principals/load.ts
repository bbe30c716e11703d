import type { Principal } from "../../policy/decide.ts";
import type { ServerRole } from "../../policy/permissions.ts";
import type { Db } from "../../store/database.ts";

/** A principal as it acts in one organization; undefined when it does not act there. */
export async function loadPrincipal(
  db: Db,
  organization: string,
  id: string,
): Promise<Exclude<Principal, { kind: "anonymous" }> | undefined> {
  const found = id.startsWith("svc_")
    ? await loadServiceAccount(db, organization, id)
    : await loadMember(db, organization, id);
  if (found === undefined) return undefined;
  const rows = await db
    .selectFrom("grants")
    .select(["server", "role"])
    .where("organization", "=", organization)
    .where("principal", "=", id)
    .execute();
  return {
    ...found,
    id,
    organization,
    grants: new Map<string, ServerRole>(rows.map((row) => [row.server, row.role])),
  };
}

async function loadMember(db: Db, organization: string, id: string) {
  const row = await db
    .selectFrom("memberships as m")
    .innerJoin("users as u", "u.id", "m.user")
    .select(["u.name", "u.email", "m.role"])
    .where("m.organization", "=", organization)
    .where("m.user", "=", id)
    .executeTakeFirst();
  return row && { kind: "user" as const, name: row.name, email: row.email, organizationRole: row.role };
}

async function loadServiceAccount(db: Db, organization: string, id: string) {
  const row = await db
    .selectFrom("service_accounts")
    .select(["slug", "role"])
    .where("organization", "=", organization)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && { kind: "service_account" as const, name: row.slug, organizationRole: row.role };
}
