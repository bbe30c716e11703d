import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { ServerResponse } from "node:http";
import { OffingError, toProblem } from "../contract/errors.ts";
import { type Log, messageOf } from "../lib/log.ts";

const KEEP_ALIVE_MS = 15_000;

/**
 * Writes events as an event stream (WHATWG HTML, section 9.2) until they end
 * or the client leaves. An error before the first event is thrown, so that it
 * becomes a proper answer; one after it ends the stream with a `problem` event.
 */
export async function writeEvents(
  events: AsyncGenerator<{ id: string; data: unknown }>,
  response: ServerResponse,
  gone: AbortSignal,
  log: Log,
): Promise<void> {
  // Nothing may ever come first: headers go out once the first look has not failed.
  let next = events.next();
  const first = await Promise.race([
    next,
    setTimeout(100, undefined, { ref: false }),
  ]);
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
  });
  response.flushHeaders();
  if (first === undefined) response.write(": waiting\n\n");
  const keepAlive = setInterval(() => response.write(":\n\n"), KEEP_ALIVE_MS);
  try {
    for (;;) {
      const { done, value } = await next;
      if (done || gone.aborted) break;
      if (!response.write(`id: ${value.id}\ndata: ${JSON.stringify(value.data)}\n\n`)) {
        await once(response, "drain", { signal: gone }).catch(() => {});
      }
      next = events.next();
    }
  } catch (error) {
    if (!gone.aborted) {
      log.error("an event stream broke", { error: messageOf(error) });
      const known =
        error instanceof OffingError
          ? error
          : new OffingError("internal", "this stream broke; open it again");
      response.write(`event: problem\ndata: ${JSON.stringify(toProblem(known))}\n\n`);
    }
  } finally {
    clearInterval(keepAlive);
    await events.return(undefined).catch(() => {});
    response.end();
  }
}
