import { type Reply, ReplyError } from "./connection.ts";

/** Scripts that FastMCP and docket run take a millisecond; from here on a script keeps everybody waiting. */
export const SCRIPT_MS = 1000;
const LOOK_MS = 1000;

export interface ScriptWatch {
  stop(): void;
}

/**
 * Ends scripts that do not end: while one runs, nobody else is answered. One
 * that has written cannot be ended alone; then `restart` ends Valkey itself,
 * which reads what it had acknowledged from its append-only file.
 */
export function watchScripts(
  command: (...words: string[]) => Promise<Reply>,
  restart: () => void,
): ScriptWatch {
  let looking = false;

  async function look(): Promise<void> {
    try {
      await command("PING");
    } catch (error) {
      if (!(error instanceof ReplyError) || !error.message.startsWith("BUSY")) return;
      await command("SCRIPT", "KILL").catch((unkillable: unknown) => {
        if (unkillable instanceof ReplyError && unkillable.message.startsWith("UNKILLABLE")) restart();
      });
    }
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => (looking = false));
  }, LOOK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
