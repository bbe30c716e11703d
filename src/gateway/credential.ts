import { serverRole, type Principal } from "../policy/decide.ts";
import type { Endpoint } from "../snapshot/snapshot.ts";
import type { Exchange } from "./exchange.ts";
import type { Credentials } from "./ports.ts";

/** What of a client's own headers goes on. `Authorization`, `Cookie` and everything of ours does not. */
const forwarded = ["traceparent", "tracestate", "baggage", "accept-language", "user-agent"] as const;

/** In which words an instance is spoken to. */
export interface Spoken {
  readonly revision: string;
  readonly session: string;
  /** For a handshake session: what the instance opens it with where it is new to it. */
  readonly hello?: string;
  readonly stateless: boolean;
}

/**
 * The headers of a request to an instance, as a flat list: who acts, what
 * the platform presents, and the little of the client's own that is passed on.
 */
export function upstreamHeaders(
  x: Exchange,
  endpoint: Endpoint,
  principal: Principal,
  credentials: Credentials,
  spoken: Spoken,
): string[] {
  const list = fixedHeaders(endpoint, principal).slice();
  list.push(
    "offing-request-id",
    x.record.id,
    "mcp-protocol-version",
    spoken.revision,
    "mcp-session-id",
    spoken.session,
  );
  if (spoken.hello !== undefined) list.push("offing-session", spoken.hello);
  const { headers } = x.req;
  for (const name of forwarded) {
    const value = headers[name];
    if (typeof value === "string") list.push(name, value);
  }
  if (spoken.stateless) {
    const { "mcp-method": method, "mcp-name": capability } = headers;
    if (typeof method === "string") list.push("mcp-method", method);
    if (typeof capability === "string") list.push("mcp-name", capability);
    if (hasParameters(x.req.rawHeaders)) {
      for (const name in headers) {
        const value = headers[name];
        if (name.startsWith("mcp-param-") && typeof value === "string") list.push(name, value);
      }
    }
  }
  const presented = credentials.headers(endpoint, principal);
  for (const name in presented) list.push(name, presented[name]!);
  return list;
}

/** Whether a header's name begins with `mcp-param-`; few do, and walking the header object is slow. */
function hasParameters(raw: readonly string[]): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length > 10 && (name.charCodeAt(0) | 32) === 109 && /^mcp-param-/i.test(name)) return true;
  }
  return false;
}

const fixed = new WeakMap<Principal, WeakMap<Endpoint, string[]>>();

/** The same for every call of one principal to one endpoint, as long as the snapshot keeps both. */
function fixedHeaders(endpoint: Endpoint, principal: Principal): string[] {
  let byEndpoint = fixed.get(principal);
  if (byEndpoint === undefined) fixed.set(principal, (byEndpoint = new WeakMap()));
  let list = byEndpoint.get(endpoint);
  if (list === undefined) {
    list = ["content-type", "application/json", "accept", "application/json, text/event-stream"];
    if (principal.kind !== "anonymous") {
      list.push("horizon-actor", headerValue(principal.id), "horizon-actor-type", principal.kind);
      if (principal.email !== undefined) list.push("horizon-actor-email", headerValue(principal.email));
      list.push("horizon-user-role", principal.organizationRole);
      const role = serverRole(principal, {
        organization: endpoint.organization.id,
        server: endpoint.server.id,
      });
      if (role !== undefined) list.push("horizon-server-roles", role);
    }
    byEndpoint.set(endpoint, list);
  }
  return list;
}

/** Text as a header can carry it: what is not visible ASCII becomes percent-encoded UTF-8. */
function headerValue(text: string): string {
  return text.replace(/[^\x21-\x7e ]/gu, (character) => encodeURIComponent(character.toWellFormed()));
}
