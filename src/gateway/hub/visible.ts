import { hash } from "node:crypto";
import type { Capability, CapabilityKind, Manifest } from "../../mcp/manifest.ts";
import { decide, type Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";

/** The lists whose change a server tells. */
export type ListKind = "tools" | "prompts" | "resources";

export const listKinds: readonly ListKind[] = ["tools", "prompts", "resources"];

/** The notification that tells of it; templates are told as resources are. */
export const listChanged: Readonly<Record<ListKind, string>> = {
  tools: "notifications/tools/list_changed",
  prompts: "notifications/prompts/list_changed",
  resources: "notifications/resources/list_changed",
};

const listOf: Readonly<Record<CapabilityKind, ListKind>> = {
  tool: "tools",
  prompt: "prompts",
  resource: "resources",
  resource_template: "resources",
};

type Lists = Readonly<Record<ListKind, readonly Capability[]>>;
const nothing: readonly Capability[] = [];
const lists = new WeakMap<Manifest, Lists>();

/**
 * What of one list a principal may see. The only place that says so: a rule
 * that hides a capability hides it here. The answer is the same array as
 * long as nothing about it changed.
 */
export function visibleItems(
  endpoint: Endpoint,
  principal: Principal,
  kind: ListKind,
): readonly Capability[] {
  return mayDiscover(endpoint, principal) ? listsOf(endpoint.manifest)[kind] : nothing;
}

export function mayDiscover(endpoint: Endpoint, principal: Principal): boolean {
  return may(endpoint, principal, "discover");
}

/** Whether it may read resources, and so be told of them. */
export function mayRead(endpoint: Endpoint, principal: Principal): boolean {
  return may(endpoint, principal, "call");
}

function may(endpoint: Endpoint, principal: Principal, permission: "discover" | "call"): boolean {
  const resource = { organization: endpoint.organization.id, server: endpoint.server.id };
  return decide(principal, resource, permission).effect === "allow";
}

const prints = new WeakMap<readonly Capability[], string>();

/** A text that differs when what is in the list does, whatever its order. */
export function printOf(items: readonly Capability[]): string {
  let print = prints.get(items);
  if (print === undefined) {
    const entries = items.map((item) => `${item.kind} ${item.hash} ${item.name}`).sort();
    print = hash("sha256", JSON.stringify(entries));
    prints.set(items, print);
  }
  return print;
}

function listsOf(manifest: Manifest): Lists {
  let found = lists.get(manifest);
  if (found === undefined) {
    const made: Record<ListKind, Capability[]> = { tools: [], prompts: [], resources: [] };
    for (const item of manifest.items) made[listOf[item.kind]].push(item);
    lists.set(manifest, (found = made));
  }
  return found;
}
