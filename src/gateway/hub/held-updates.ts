import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import { tellsUpdates } from "./filter.ts";

/**
 * The answer to `initialize` of a server of both eras that tells updates of
 * its resources in the stateless one only: the gateway subscribes there for the
 * session, and so promises it. Undefined where there is nothing to add.
 */
export function announceHeld({ eras, manifest }: Endpoint, message: JsonObject): JsonObject | undefined {
  if (!eras.includes("stateless") || !tellsUpdates(manifest)) return;
  const result = message["result"];
  const capabilities = isObject(result) ? result["capabilities"] : undefined;
  const resources = isObject(capabilities) ? capabilities["resources"] : undefined;
  if (!isObject(result) || !isObject(capabilities) || !isObject(resources)) return;
  if (resources["subscribe"] === true) return;
  const more = { ...capabilities, resources: { ...resources, subscribe: true } };
  return { ...message, result: { ...result, capabilities: more } };
}
