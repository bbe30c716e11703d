import type { Outgoing } from "../http.ts";

/** The head of every answer that is an event stream: names and values in turn. */
export const EVENTS_HEAD = Object.entries({
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-store, no-transform",
  "x-accel-buffering": "no",
  "x-content-type-options": "nosniff",
}).flat();

/** Begins an event stream; the head goes out at once. */
export function startEvents(res: Outgoing): void {
  res.writeHead(200, EVENTS_HEAD);
  res.flushHeaders();
}
