import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { isLossy, parseLossless } from "../../mcp/lossless.ts";
import type { Exchange } from "../exchange/exchange.ts";

/** A request's parameters with every number as its client wrote it, to be written again. */
export function exactParams(x: Exchange, params: JsonObject): JsonObject {
  const text = x.body.toString();
  if (!isLossy(text)) return params;
  const body = parseLossless(text);
  return isObject(body) && isObject(body["params"]) ? body["params"] : params;
}
