/** What a principal may do to a server, weakest first. */
export const permissions = ["discover", "call", "logs", "deploy", "edit", "administer"] as const;
export type Permission = (typeof permissions)[number];

/** The built-in server roles and what each permits. */
export const serverRoles = {
  viewer: ["discover"],
  user: ["discover", "call"],
  editor: ["discover", "call", "logs", "deploy", "edit"],
  admin: ["discover", "call", "logs", "deploy", "edit", "administer"],
} as const satisfies Record<string, readonly Permission[]>;
export type ServerRole = keyof typeof serverRoles;

/** Roles in an organization. Owners and admins are `admin` on every server of it. */
export const organizationRoles = ["owner", "admin", "member"] as const;
export type OrganizationRole = (typeof organizationRoles)[number];

/** The weakest built-in role that permits `permission`: what a refusal names. */
export function weakestRoleWith(permission: Permission): ServerRole {
  for (const role of Object.keys(serverRoles) as ServerRole[]) {
    if ((serverRoles[role] as readonly Permission[]).includes(permission)) return role;
  }
  return "admin";
}
