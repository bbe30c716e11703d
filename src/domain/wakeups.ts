import type { Channel } from "../store/notices.ts";
import type { Services } from "./context.ts";

/** Notices can be lost with a connection; a look at this interval makes up for it. */
const LOOK_AGAIN_MS = 5000;

/** Yields at once, then after every notice for `subject` (null: for any), until `signal` aborts. */
export async function* wakeups(
  services: Services,
  channel: Channel,
  subject: string | null,
  signal: AbortSignal,
): AsyncGenerator<void> {
  let wake = Promise.withResolvers<void>();
  const ring = () => wake.resolve();
  const unlisten = services.notices.on(channel, (heard) => {
    if (heard === null || subject === null || heard === subject) ring();
  });
  const timer = setInterval(ring, LOOK_AGAIN_MS);
  signal.addEventListener("abort", ring);
  try {
    while (!signal.aborted) {
      wake = Promise.withResolvers<void>();
      yield;
      if (!signal.aborted) await wake.promise;
    }
  } finally {
    unlisten();
    clearInterval(timer);
    signal.removeEventListener("abort", ring);
  }
}
