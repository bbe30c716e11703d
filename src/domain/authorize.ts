import { OffingError } from "../contract/errors.ts";
import { decide } from "../policy/decide.ts";
import type { OrganizationRole, Permission } from "../policy/permissions.ts";
import type { Context } from "./context.ts";

/** Absent and "not yours" get the very same words. */
export function notFound(noun: string, name: string): OffingError {
  return new OffingError("not_found", `there is no ${noun} "${name}", or it is not yours to see`);
}

/** The organization's id, for actors that act in it; else it is not found. */
export function inOrganization(ctx: Context, organization: string): string {
  const { actor } = ctx;
  if (actor.kind === "system") return organization;
  if (actor.organizationSlug !== organization && actor.organization !== organization) {
    throw notFound("organization", organization);
  }
  return actor.organization;
}

const rank = { member: 0, admin: 1, owner: 2 } as const satisfies Record<OrganizationRole, number>;

/** Throws `forbidden`, naming what would have sufficed, unless the actor has this organization role or a stronger one. */
export function requireRole(ctx: Context, role: OrganizationRole, what: string): void {
  const { actor } = ctx;
  if (actor.kind === "system" || rank[actor.organizationRole] >= rank[role]) return;
  throw new OffingError(
    "forbidden",
    `${what} needs the organization role "${role}"; yours is "${actor.organizationRole}"`,
    {
      hint: "ask an owner or admin of the organization",
    },
  );
}

export function may(
  { actor }: Context,
  server: { organization: string; id: string },
  permission: Permission,
): boolean {
  if (actor.kind === "system") return true;
  return (
    decide(actor, { organization: server.organization, server: server.id }, permission).effect === "allow"
  );
}

/** Throws `not_found` for a server the actor may not discover, `forbidden` for one it may. */
export function requirePermission(
  ctx: Context,
  server: { organization: string; id: string; slug: string },
  permission: Permission,
): void {
  const { actor } = ctx;
  if (actor.kind === "system") return;
  const decision = decide(actor, { organization: server.organization, server: server.id }, permission);
  if (decision.effect === "allow") return;
  if (!decision.discoverable) throw notFound("server", server.slug);
  throw new OffingError(
    "forbidden",
    `"${permission}" on ${server.slug} needs ${decision.needed}; you have ${decision.because}`,
    {
      hint: "ask an admin of the server for that role",
    },
  );
}
