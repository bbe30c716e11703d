import { serverRole, type Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import type { Exchange } from "./exchange.ts";
import type { Credentials } from "../ports.ts";

/** What of a client's own headers goes on. `Authorization`, `Cookie` and everything of ours does not. */
const forwarded = ["traceparent", "tracestate", "baggage", "accept-language", "user-agent"] as const;

/** In which words an upstream is spoken to. */
export interface Spoken {
  /** Undefined for `initialize` at an external server, which agrees on one. */
  readonly revision: string | undefined;
  /** At an instance, the opaque id under which it knows the session; at an external server its own id, if it gave one. */
  readonly session: string | undefined;
  /** For a handshake session: what the instance opens it with where it is new to it. */
  readonly hello?: string;
  readonly stateless: boolean;
  /** In place of the client's own `Mcp-Name`: what the upstream calls the same thing. */
  readonly name?: string;
}

/**
 * The headers of a request upstream, as a flat list: to an instance who acts;
 * to any upstream what the platform presents, and the little of the client's own
 * that is passed on. An external server learns nothing of the caller.
 */
export function upstreamHeaders(
  x: Exchange,
  endpoint: Endpoint,
  principal: Principal,
  credentials: Credentials,
  spoken: Spoken,
): string[] {
  const external = endpoint.upstream.kind === "external";
  const list = fixedHeaders(endpoint, principal).slice();
  if (spoken.revision !== undefined) list.push("mcp-protocol-version", spoken.revision);
  // Between a stateless server and its client there is no session.
  const session = external && spoken.stateless ? undefined : spoken.session;
  if (session !== undefined) list.push("mcp-session-id", session);
  if (!external) {
    list.push("offing-request-id", x.record.id);
    if (x.virtual !== undefined) list.push("offing-virtual-session", x.virtual);
    if (spoken.hello !== undefined) list.push("offing-session", spoken.hello);
  }
  const { headers } = x.req;
  for (const name of forwarded) {
    const value = headers[name];
    if (typeof value === "string") list.push(name, value);
  }
  if (spoken.stateless) {
    const { "mcp-method": method, "mcp-name": named } = headers;
    const capability = spoken.name ?? named;
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

/** The headers of what the gateway itself asks an external server on a caller's behalf. */
export function openingHeaders(
  x: Exchange,
  endpoint: Endpoint,
  principal: Principal,
  credentials: Credentials,
): Record<string, string> {
  const list: Record<string, string> = {};
  for (const name of forwarded) {
    const value = x.req.headers[name];
    if (typeof value === "string") list[name] = value;
  }
  return { ...list, ...credentials.headers(endpoint, principal) };
}

/** The headers of what the gateway asks by itself for a principal, as a flat list; nothing of a client's own is in them. */
export function standingHeaders(
  endpoint: Endpoint,
  principal: Principal,
  credentials: Credentials,
  { revision, session, hello, stateless }: Spoken,
): string[] {
  const external = endpoint.upstream.kind === "external";
  const list = fixedHeaders(endpoint, principal).slice();
  if (revision !== undefined) list.push("mcp-protocol-version", revision);
  if (session !== undefined && !(external && stateless)) list.push("mcp-session-id", session);
  if (hello !== undefined && !external) list.push("offing-session", hello);
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

const plain: readonly string[] = [
  "content-type",
  "application/json",
  "accept",
  "application/json, text/event-stream",
];

const fixed = new WeakMap<Principal, WeakMap<Endpoint, string[]>>();

/** The same for every call of one principal to one endpoint, as long as the snapshot keeps both. */
function fixedHeaders(endpoint: Endpoint, principal: Principal): string[] {
  let byEndpoint = fixed.get(principal);
  if (byEndpoint === undefined) fixed.set(principal, (byEndpoint = new WeakMap()));
  let list = byEndpoint.get(endpoint);
  if (list === undefined) {
    list = plain.slice();
    // An external server is not told who calls.
    if (endpoint.upstream.kind === "hosted" && principal.kind !== "anonymous") {
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
