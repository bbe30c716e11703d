import type { Era } from "../mcp/eras.ts";
import type { Capability } from "../mcp/manifest.ts";
import type { Endpoint } from "../snapshot/snapshot.ts";

/**
 * In which era the upstream is spoken to: the client's own, unless the
 * upstream does not answer in it or the capability needs the other.
 */
export function eraFor(endpoint: Endpoint, client: Era, capability?: Capability): Era {
  const { eras } = endpoint;
  const wanted = capability?.era ?? client;
  if (eras.includes(wanted)) return wanted;
  return eras.includes(client) ? client : (eras[0] ?? client);
}
