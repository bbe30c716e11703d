import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { OffingError, toProblem } from "../contract/errors.ts";
import { type Log, messageOf } from "../lib/log.ts";

const KEEP_ALIVE_MS = 15_000;

/**
 * Writes events as an event stream (WHATWG HTML, section 9.2) until they end
 * or the client leaves. An error ends the stream with a `problem` event.
 */
export async function writeEvents(
  events: AsyncGenerator<{ id: string; data: unknown }>,
  response: ServerResponse,
  gone: AbortSignal,
  log: Log,
): Promise<void> {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
  });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write(":\n\n"), KEEP_ALIVE_MS);
  try {
    for await (const { id, data } of events) {
      if (gone.aborted) break;
      if (!response.write(`id: ${id}\ndata: ${JSON.stringify(data)}\n\n`)) {
        await once(response, "drain", { signal: gone }).catch(() => {});
      }
    }
  } catch (error) {
    if (!gone.aborted) {
      const expected = error instanceof OffingError;
      if (!expected) log.error("an event stream broke", { error: messageOf(error) });
      const known = expected ? error : new OffingError("internal", "this stream broke; open it again");
      response.write(`event: problem\ndata: ${JSON.stringify(toProblem(known))}\n\n`);
    }
  } finally {
    clearInterval(keepAlive);
    response.end();
  }
}
