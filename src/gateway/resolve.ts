import type { IncomingMessage } from "node:http";
import { Lru } from "../lib/lru.ts";
import type { Endpoint, Snapshot } from "../snapshot/snapshot.ts";
import { Refusal } from "./refusal.ts";

/** `/{org}/{server}` or `/{org}/{server}@{deployment}`, and whatever stands below. */
const below = /^\/([a-z0-9][a-z0-9-]*)\/([a-z0-9][a-z0-9-]*)(?:@([a-z0-9][a-z0-9-]*))?(\/[^?#]*)$/;

/** Whether the gateway answers for a path: everything below `/{org}/{server}`. */
export function isGatewayPath(path: string, reserved: ReadonlySet<string>): boolean {
  const match = below.exec(withoutQuery(path));
  return match !== null && !reserved.has(match[1]!);
}

/** The endpoint that a URL names, or undefined. Only the very path of an MCP endpoint names one. */
export function resolve(snapshot: Snapshot, url: string): Endpoint | undefined {
  const place = places.get(url) ?? placeOf(url);
  return place && snapshot.endpoint(place.organization, place.server, place.deployment);
}

interface Place {
  readonly organization: string;
  readonly server: string;
  readonly deployment: string;
}

/** How URLs read, which never changes; what stands there is asked anew each time. */
const places = new Lru<string, Place>(1024);

function placeOf(url: string): Place | undefined {
  const match = below.exec(withoutQuery(url));
  if (match === null || match[4] !== "/mcp") return;
  const place = { organization: match[1]!, server: match[2]!, deployment: match[3] ?? "live" };
  if (url.length <= 256) places.set(url, place);
  return place;
}

/**
 * Refuses what a browser was led to send by another site: a foreign `Origin`
 * always (2025-11-25, basic/transports), a foreign `Host` where we are bound to
 * loopback, which is how DNS rebinding reaches local programs.
 */
export function originCheck(publicUrl: string): (req: IncomingMessage) => void {
  const ours = new URL(publicUrl);
  const local = isLoopback(ours.hostname);
  const accepts = (hostname: string) => hostname === ours.hostname || (local && isLoopback(hostname));
  let lastHost: string | undefined;
  return (req) => {
    const { origin, host } = req.headers;
    if (origin !== undefined && !(URL.canParse(origin) && accepts(new URL(origin).hostname))) {
      throw new Refusal("protocol", 403, "Requests from this web origin are not accepted.", {
        because: "foreign origin",
      });
    }
    if (!local || host === lastHost) return;
    const address = `http://${host ?? ""}`;
    if (!URL.canParse(address) || !accepts(new URL(address).hostname)) {
      throw new Refusal("protocol", 403, "This host name does not belong to this address.", {
        because: "foreign host",
      });
    }
    lastHost = host;
  };
}

function withoutQuery(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
