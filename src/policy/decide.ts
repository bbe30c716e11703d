import {
  type OrganizationRole,
  type Permission,
  type ServerRole,
  serverRoles,
  weakestRoleWith,
} from "./permissions.ts";

/** Who acts, with everything a decision needs to know of them. */
export type Principal =
  | {
      readonly kind: "user" | "service_account";
      readonly id: string;
      /** The organization in which this principal acts. */
      readonly organization: string;
      readonly name: string;
      readonly email?: string | undefined;
      readonly organizationRole: OrganizationRole;
      /** Server id → role granted on it. */
      readonly grants: ReadonlyMap<string, ServerRole>;
    }
  | { readonly kind: "anonymous" };

/** What is acted on: one server of one organization. */
export interface Resource {
  readonly organization: string;
  readonly server: string;
}

export type Decision =
  | { readonly effect: "allow"; readonly because: string }
  | {
      readonly effect: "deny";
      readonly because: string;
      /** Whether this principal may know that the server exists. */
      readonly discoverable: boolean;
      /** What would have sufficed. */
      readonly needed: string;
    };

/** The role that a principal has on a server: organization role first, then grant, then none. */
export function serverRole(principal: Principal, resource: Resource): ServerRole | undefined {
  if (principal.kind === "anonymous" || principal.organization !== resource.organization) return;
  if (principal.organizationRole !== "member") return "admin";
  return principal.grants.get(resource.server);
}

/** One object per role: most decisions allow, and they are made at every request. */
const allowed = Object.fromEntries(
  Object.keys(serverRoles).map((role) => [role, { effect: "allow", because: `server role "${role}"` }]),
) as Record<ServerRole, Decision>;

/**
 * The only judge: may `principal` do `permission` to `resource`? Gateway,
 * registry, control API and lists all ask here. Nothing granted is denied.
 */
export function decide(principal: Principal, resource: Resource, permission: Permission): Decision {
  const role = serverRole(principal, resource);
  if (role !== undefined && (serverRoles[role] as readonly Permission[]).includes(permission))
    return allowed[role];
  return {
    effect: "deny",
    because: role === undefined ? "no role on this server" : `server role "${role}"`,
    discoverable: role !== undefined,
    needed: `the server role "${weakestRoleWith(permission)}"`,
  };
}
