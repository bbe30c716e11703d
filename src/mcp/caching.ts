import { isObject, type JsonObject } from "./envelope.ts";

/**
 * A list's answer as one principal's own: who may see it is decided for each, so
 * no cache may share it (2026-07-28, server/utilities/caching). An upstream
 * that gave no hints is not to be cached at all.
 */
export function privately(message: JsonObject): JsonObject {
  const { result } = message;
  if (!isObject(result)) return message;
  const { ttlMs } = result;
  return {
    ...message,
    result: { ...result, ttlMs: typeof ttlMs === "number" ? ttlMs : 0, cacheScope: "private" },
  };
}
