import { Lru } from "../../lib/lru.ts";
import { addressOf, type Endpoint, type Snapshot } from "../../snapshot/snapshot.ts";

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
  const address = addresses.get(url) ?? read(url);
  return address === undefined ? undefined : snapshot.endpoint(address);
}

const faces = new Set(["/mcp", "/sse", "/messages"]);

/** How URLs read, which never changes; what stands there is asked anew each time. */
const addresses = new Lru<string, string>(1024);

function read(url: string): string | undefined {
  const match = below.exec(withoutQuery(url));
  if (match === null || !faces.has(match[4]!)) return;
  const address = addressOf(match[1]!, match[2]!, match[3] ?? "live");
  // The URLs of messages name a stream, and are not met again for long.
  if (url.length <= 256 && match[4] !== "/messages") addresses.set(url, address);
  return address;
}

function withoutQuery(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}
