import type { z } from "zod";
import type { Key } from "../../contract/schemas.ts";
import type { Db } from "../../store/database.ts";

type KeyView = z.output<typeof Key>;

export interface KeyRow {
  id: string;
  prefix: string;
  label: string;
  principal: string;
  created_at: Date;
  revoked_at: Date | null;
  user_name: string | null;
  account_slug: string | null;
}

/** Keys of one organization with the names of their principals. */
export function selectKeys(db: Db, organization: string) {
  return db
    .selectFrom("keys as k")
    .leftJoin("users as u", "u.id", "k.principal")
    .leftJoin("service_accounts as a", (join) =>
      join.onRef("a.organization", "=", "k.organization").onRef("a.id", "=", "k.principal"),
    )
    .select(["k.id", "k.prefix", "k.label", "k.principal", "k.created_at", "k.revoked_at"])
    .select(["u.name as user_name", "a.slug as account_slug"])
    .where("k.organization", "=", organization);
}

export function keyView(row: KeyRow): KeyView {
  const kind = row.principal.startsWith("svc_") ? "service_account" : "user";
  return {
    id: row.id,
    prefix: row.prefix,
    label: row.label,
    principal: { id: row.principal, kind, name: row.account_slug ?? row.user_name ?? row.principal },
    createdAt: row.created_at.toISOString(),
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
