import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { parseBounded } from "../../mcp/lossless.ts";

/** A message as JSON text; undefined where it is none. */
export function readMessage(text: string): JsonObject | undefined {
  try {
    const value = parseBounded(text);
    return isObject(value) ? value : undefined;
  } catch {
    return;
  }
}

/** A request's id or a progress token as a key: the number 1 and the text "1" are two. */
export function keyOf(name: unknown): string | undefined {
  return name === undefined ? undefined : JSON.stringify(name);
}

/** The key of the progress token that a request's parameters name. */
export function tokenOf(params: unknown): string | undefined {
  const given = isObject(params) ? params["_meta"] : undefined;
  return isObject(given) ? keyOf(given["progressToken"]) : undefined;
}
