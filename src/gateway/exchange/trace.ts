import { type JsonObject, metaOf } from "../../mcp/envelope.ts";
import type { Exchange } from "./exchange.ts";

const names = ["traceparent", "tracestate", "baggage"] as const;
/** Characters of one of them. */
const LONGEST = 8192;

/**
 * The parameters of a request that the gateway itself writes, with the W3C trace
 * context of the client's headers in `_meta` (2026-07-28, basic), where the client
 * put none there itself.
 */
export function traced(x: Exchange, params: JsonObject): JsonObject {
  const { headers } = x.req;
  if (headers["traceparent"] === undefined) return params;
  const given = metaOf(params);
  if (given?.["traceparent"] !== undefined) return params;
  const context: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (typeof value === "string" && value.length <= LONGEST) context[name] = value;
  }
  return { ...params, _meta: { ...given, ...context } };
}
