import { hash } from "node:crypto";
import { toSlug } from "../../contract/slugs.ts";
import type { Db, Tx } from "../../store/database.ts";

/** A branch's own slug: never `live`, and never that of another branch whose name reads alike. */
export async function previewSlug(
  db: Db | Tx,
  at: { organization: string; server: string; branch: string },
): Promise<string> {
  const plain = toSlug(at.branch);
  const mark = hash("sha256", at.branch).slice(0, 6);
  if (plain === undefined) return `preview-${mark}`;
  const taken = await db
    .selectFrom("deployments")
    .select("branch")
    .where("organization", "=", at.organization)
    .where("server", "=", at.server)
    .where("slug", "=", plain)
    .executeTakeFirst();
  const free = plain !== "live" && (taken === undefined || taken.branch === at.branch);
  return free ? plain : `${plain.slice(0, 56).replace(/-+$/, "")}-${mark}`;
}
