import { Lru } from "../../lib/lru.ts";
import { messageOf } from "../../lib/log.ts";
import type { Services } from "../context.ts";

/** Milliseconds from one question to the next, so that no client makes us ask without end. */
const APART_MS = 60_000;

/** Takes doubts in what is believed of external servers: each is asked anew by a job, at once, or a while after the last time. */
export function createDoubts({ db, jobs, clock, log }: Services): {
  doubt(server: { readonly organization: string; readonly server: string }): void;
} {
  /** When each was asked last, or will be; monotonic milliseconds. */
  const asked = new Lru<string, number>(10_000);
  return {
    doubt({ organization, server }) {
      const now = clock.monotonic();
      const last = asked.get(server);
      // It will be asked after this doubt in any case.
      if (last !== undefined && last > now) return;
      const at = last === undefined ? now : Math.max(now, last + APART_MS);
      asked.set(server, at);
      const options = { key: `refresh:${server}`, afterMs: at - now };
      db.transaction()
        .execute((tx) => jobs.add(tx, "refresh", { organization, server }, options))
        .catch((error: unknown) => {
          asked.delete(server);
          log.warn("a doubted server cannot be asked anew", { server, error: messageOf(error) });
        });
    },
  };
}
