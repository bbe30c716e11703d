import { setImmediate as read, setTimeout as delay } from "node:timers/promises";
import { type Reply, ReplyError } from "./connection.ts";

/** Scripts that FastMCP and docket run take a millisecond; from here on a script keeps everybody waiting. */
export const SCRIPT_MS = 1000;
const LOOK_MS = 1000;
/** Who runs and says nothing for this long, not even BUSY, keeps everybody waiting too. */
const SILENT_MS = 5000;

export interface ScriptWatch {
  stop(): void;
}

/**
 * Ends scripts that do not end: while one runs, nobody else is answered. One
 * that has written cannot be ended alone; then `restart` ends Valkey itself,
 * which reads what it had acknowledged from its append-only file. So it does
 * where nothing is answered at all. `restart` is told why.
 */
export function watchScripts(
  command: (...words: string[]) => Promise<Reply>,
  restart: (why: string) => void,
): ScriptWatch {
  let looking = false;

  async function look(): Promise<void> {
    try {
      await command("PING");
    } catch (error) {
      if (!(error instanceof ReplyError) || !error.message.startsWith("BUSY")) return;
      await command("SCRIPT", "KILL").catch((unkillable: unknown) => {
        if (unkillable instanceof ReplyError && unkillable.message.startsWith("UNKILLABLE")) {
          restart("a script that has written did not end");
        }
      });
    }
  }

  async function lookOnce(): Promise<void> {
    const late = new AbortController();
    const silent = delay(SILENT_MS, true, { ref: false, signal: late.signal })
      // What came in while this process was busy is read first.
      .then(() => read(true))
      .catch(() => false);
    const quiet = await Promise.race([look(), silent]);
    late.abort();
    if (quiet === true) restart("it did not answer");
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void lookOnce().finally(() => (looking = false));
  }, LOOK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
