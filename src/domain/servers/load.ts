import type { Permission } from "../../policy/permissions.ts";
import { inOrganization, notFound, requirePermission } from "../authorize.ts";
import type { Context } from "../context.ts";
import type { UpstreamEra } from "./eras.ts";

export interface LoadedServer {
  readonly organization: string;
  readonly organizationSlug: string;
  readonly id: string;
  readonly slug: string;
  readonly kind: "hosted" | "external" | "remix";
  readonly owner: string;
  readonly description: string;
  readonly defaultBranch: string | null;
  readonly upstreamEra: UpstreamEra;
  readonly virtualSessions: boolean;
  readonly createdAt: Date;
}

/** A server by its slug within the actor's organization, if the actor may do `permission` to it. */
export async function loadServer(
  ctx: Context,
  input: { organization: string; server: string },
  permission: Permission,
): Promise<LoadedServer> {
  const organization = inOrganization(ctx, input.organization);
  const row = await selectServers(ctx, organization).where("s.slug", "=", input.server).executeTakeFirst();
  if (row === undefined) throw notFound("server", input.server);
  requirePermission(ctx, row, permission);
  return toServer(row);
}

export function selectServers(ctx: Context, organization: string) {
  return ctx.db
    .selectFrom("servers as s")
    .innerJoin("organizations as o", "o.id", "s.organization")
    .select([
      "s.organization",
      "s.id",
      "s.slug",
      "s.kind",
      "s.owner",
      "s.description",
      "s.default_branch",
      "s.upstream_era",
      "s.virtual_sessions",
      "s.created_at",
    ])
    .select("o.slug as organization_slug")
    .where("s.organization", "=", organization);
}

export function toServer(row: {
  organization: string;
  organization_slug: string;
  id: string;
  slug: string;
  kind: LoadedServer["kind"];
  owner: string;
  description: string;
  default_branch: string | null;
  upstream_era: UpstreamEra;
  virtual_sessions: boolean;
  created_at: Date;
}): LoadedServer {
  return {
    organization: row.organization,
    organizationSlug: row.organization_slug,
    id: row.id,
    slug: row.slug,
    kind: row.kind,
    owner: row.owner,
    description: row.description,
    defaultBranch: row.default_branch,
    upstreamEra: row.upstream_era,
    virtualSessions: row.virtual_sessions,
    createdAt: row.created_at,
  };
}
