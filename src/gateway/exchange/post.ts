import type { JsonObject } from "../../mcp/envelope.ts";
import type { Held } from "./leases.ts";

const POST_MS = 10_000;

/**
 * Posts a message that has no answer to where a call is at work; resolves with
 * the HTTP status once it was taken. Rejects when it cannot be told.
 */
export async function post(held: Held, headers: string[], message: JsonObject): Promise<number> {
  const { dispatcher, origin, path } = held.dial;
  const { statusCode, body } = await dispatcher.request({
    origin,
    path,
    method: "POST",
    headers,
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(POST_MS),
  });
  await body.dump();
  return statusCode;
}

/** Tells an instance that a session is over. */
export async function endAt(held: Held, headers: string[]): Promise<void> {
  const { dispatcher, origin, path } = held.dial;
  const signal = AbortSignal.timeout(POST_MS);
  const { body } = await dispatcher.request({ origin, path, method: "DELETE", headers, signal });
  await body.dump();
}
