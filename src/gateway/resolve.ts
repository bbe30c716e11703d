import { Lru } from "../lib/lru.ts";
import type { Endpoint, Snapshot } from "../snapshot/snapshot.ts";

/** `/{org}/{server}` or `/{org}/{server}@{deployment}`, and whatever stands below. */
const below = /^\/([a-z0-9][a-z0-9-]*)\/([a-z0-9][a-z0-9-]*)(?:@([a-z0-9][a-z0-9-]*))?(\/[^?#]*)$/;

/** Whether the gateway answers for a path: everything below `/{org}/{server}`. */
export function isGatewayPath(path: string, reserved: ReadonlySet<string>): boolean {
  const match = below.exec(withoutQuery(path));
  return match !== null && !reserved.has(match[1]!);
}

/**
 * What stands at a URL that names an endpoint: the MCP endpoint itself, or
 * one of the two paths of HTTP+SSE (2024-11-05, basic/transports).
 */
export type Face = "mcp" | "sse" | "messages";

export function faceOf(url: string): Face {
  if (url.endsWith("/mcp")) return "mcp";
  const path = withoutQuery(url);
  return path.endsWith("/sse") ? "sse" : path.endsWith("/messages") ? "messages" : "mcp";
}

/** The endpoint that a URL names, or undefined. Only the very paths of an MCP endpoint name one. */
export function resolve(snapshot: Snapshot, url: string): Endpoint | undefined {
  const place = places.get(url) ?? placeOf(url);
  return place && snapshot.endpoint(place.organization, place.server, place.deployment);
}

interface Place {
  readonly organization: string;
  readonly server: string;
  readonly deployment: string;
}

const faces = new Set(["/mcp", "/sse", "/messages"]);

/** How URLs read, which never changes; what stands there is asked anew each time. */
const places = new Lru<string, Place>(1024);

function placeOf(url: string): Place | undefined {
  const match = below.exec(withoutQuery(url));
  if (match === null || !faces.has(match[4]!)) return;
  const place = { organization: match[1]!, server: match[2]!, deployment: match[3] ?? "live" };
  // The URLs of messages name a stream, and are not met again for long.
  if (url.length <= 256 && match[4] !== "/messages") places.set(url, place);
  return place;
}

function withoutQuery(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}
