import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, type Principal, serverRole } from "../../src/policy/decide.ts";
import {
  organizationRoles,
  type Permission,
  permissions,
  type ServerRole,
  serverRoles,
} from "../../src/policy/permissions.ts";

const roleNames = Object.keys(serverRoles) as ServerRole[];
const organization = fc.constantFrom("org_a", "org_b");
const server = fc.constantFrom("srv_1", "srv_2", "srv_3");
const role = fc.constantFrom(...roleNames);
const permission = fc.constantFrom(...permissions);
const resource = fc.record({ organization, server });
const member: fc.Arbitrary<Exclude<Principal, { kind: "anonymous" }>> = fc.record({
  kind: fc.constantFrom("user" as const, "service_account" as const),
  id: fc.constantFrom("usr_1", "svc_1"),
  organization,
  name: fc.string(),
  organizationRole: fc.constantFrom(...organizationRoles),
  grants: fc.uniqueArray(fc.tuple(server, role), { selector: ([id]) => id }).map((pairs) => new Map(pairs)),
});
const anyone: fc.Arbitrary<Principal> = fc.oneof(member, fc.constant({ kind: "anonymous" as const }));
const permits = (name: ServerRole, wanted: Permission) =>
  (serverRoles[name] as readonly Permission[]).includes(wanted);
const holds = <T>(property: fc.IProperty<T>): void => fc.assert(property, { numRuns: 2000 });

describe("decide", () => {
  it("allows exactly what the organization role or the grant permits", () => {
    holds(
      fc.property(anyone, resource, permission, (principal, target, wanted) => {
        const own =
          principal.kind !== "anonymous" && principal.organization === target.organization
            ? principal
            : undefined;
        const granted = own?.grants.get(target.server);
        const expected =
          own !== undefined &&
          (own.organizationRole !== "member" || (granted !== undefined && permits(granted, wanted)));
        expect(decide(principal, target, wanted).effect).toBe(expected ? "allow" : "deny");
      }),
    );
  });

  it("never lets anyone do anything in another organization, nor know of it", () => {
    holds(
      fc.property(member, resource, permission, (principal, target, wanted) => {
        fc.pre(principal.organization !== target.organization);
        expect(decide(principal, target, wanted)).toMatchObject({ effect: "deny", discoverable: false });
      }),
    );
  });

  it("never takes a permission away when a role is replaced by a stronger one", () => {
    holds(
      fc.property(member, resource, permission, role, role, (principal, target, wanted, one, other) => {
        const [weaker, stronger] = [one, other].toSorted(
          (a, b) => roleNames.indexOf(a) - roleNames.indexOf(b),
        );
        const as = (name: ServerRole) =>
          decide({ ...principal, grants: new Map([[target.server, name]]) }, target, wanted).effect;
        expect(as(weaker!) === "deny" || as(stronger!) === "allow").toBe(true);
      }),
    );
  });

  it("lets who may do anything at all to a server also discover it", () => {
    holds(
      fc.property(anyone, resource, permission, (principal, target, wanted) => {
        const may = (permission: Permission) => decide(principal, target, permission).effect === "allow";
        expect(!may(wanted) || may("discover")).toBe(true);
      }),
    );
  });

  it("names in every refusal a role that suffices once it is granted, and no stronger one than that", () => {
    holds(
      fc.property(member, resource, permission, (principal, target, wanted) => {
        const decision = decide(principal, target, wanted);
        fc.pre(decision.effect === "deny" && principal.organization === target.organization);
        const named = /"(\w+)"/.exec(decision.effect === "deny" ? decision.needed : "")?.[1] as ServerRole;
        const as = (name: ServerRole) =>
          decide({ ...principal, grants: new Map([[target.server, name]]) }, target, wanted).effect;
        expect(as(named)).toBe("allow");
        for (const weaker of roleNames.slice(0, roleNames.indexOf(named))) expect(as(weaker)).toBe("deny");
      }),
    );
  });

  it("calls a server discoverable in a refusal exactly when discovering it is allowed", () => {
    holds(
      fc.property(anyone, resource, permission, (principal, target, wanted) => {
        const decision = decide(principal, target, wanted);
        fc.pre(decision.effect === "deny");
        const discovers = decide(principal, target, "discover").effect === "allow";
        expect(decision.effect === "deny" && decision.discoverable).toBe(discovers);
        expect(serverRole(principal, target) !== undefined).toBe(discovers);
      }),
    );
  });

  it("judges by the target's own grant only: grants on other servers change nothing", () => {
    holds(
      fc.property(member, resource, permission, role, (principal, target, wanted, name) => {
        const more = new Map(principal.grants);
        for (const other of ["srv_1", "srv_2", "srv_3"]) if (other !== target.server) more.set(other, name);
        expect(decide({ ...principal, grants: more }, target, wanted)).toEqual(
          decide(principal, target, wanted),
        );
      }),
    );
  });
});
