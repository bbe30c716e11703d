import type { Era } from "./eras.ts";
import type { CapabilityKind } from "./manifest.ts";

/** What the gateway must know of a request method. */
export interface Method {
  readonly eras: readonly Era[];
  /** What the caller needs on the server. */
  readonly needs: "discover" | "call";
  /** The parameter that names the capability, or a task, which `Mcp-Name` mirrors. */
  readonly names: {
    readonly parameter: "name" | "uri" | "taskId";
    readonly kind: CapabilityKind | null;
  } | null;
  /** Whether a complete result carries `ttlMs` and `cacheScope` (2026-07-28, server/utilities/caching). */
  readonly cacheable: boolean;
}

const both: readonly Era[] = ["handshake", "stateless"];
const handshake: readonly Era[] = ["handshake"];
const stateless: readonly Era[] = ["stateless"];

function method(
  eras: readonly Era[],
  needs: Method["needs"],
  cacheable = false,
  names: Method["names"] = null,
): Method {
  return { eras, needs, names, cacheable };
}

const tool = { parameter: "name", kind: "tool" } as const;
const prompt = { parameter: "name", kind: "prompt" } as const;
const resource = { parameter: "uri", kind: "resource" } as const;
const task = { parameter: "taskId", kind: null } as const;

/**
 * Notifications of the handshake era that need no more than the requests they
 * belong to: the end of the handshake, before which servers refuse even to list,
 * and taking back what was asked, which names requests of the same session only.
 */
const discovering: ReadonlySet<string> = new Set(["notifications/initialized", "notifications/cancelled"]);

/** What a caller needs to send a notification of the handshake era; a response (undefined) goes on with a call. */
export function noteNeeds(method: string | undefined): Method["needs"] {
  return method !== undefined && discovering.has(method) ? "discover" : "call";
}

/** Every request method that is served here. What is absent does not exist. */
export const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["initialize", method(handshake, "discover")],
  ["ping", method(handshake, "discover")],
  ["logging/setLevel", method(handshake, "discover")],
  ["resources/subscribe", method(handshake, "call", false, resource)],
  ["resources/unsubscribe", method(handshake, "call", false, resource)],
  ["server/discover", method(stateless, "discover", true)],
  ["subscriptions/listen", method(stateless, "discover")],
  ["tools/list", method(both, "discover", true)],
  ["tools/call", method(both, "call", false, tool)],
  ["prompts/list", method(both, "discover", true)],
  ["prompts/get", method(both, "call", false, prompt)],
  ["resources/list", method(both, "discover", true)],
  ["resources/templates/list", method(both, "discover", true)],
  ["resources/read", method(both, "call", true, resource)],
  ["completion/complete", method(both, "call")],
  // The tasks extension; `tasks/list` and `tasks/result` are of the handshake era's experimental form.
  ["tasks/get", method(stateless, "call", false, task)],
  ["tasks/update", method(stateless, "call", false, task)],
  ["tasks/cancel", method(stateless, "call", false, task)],
]);

/** What the sender of any message of this method needs; null: it is a response. */
export function needsOfMethod(name: string | null): Method["needs"] {
  return methods.get(name ?? "")?.needs ?? noteNeeds(name ?? undefined);
}
