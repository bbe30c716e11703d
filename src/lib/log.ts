/** One JSON line per event on stderr; people read the start-up message, machines read this. */
export interface Log {
  info(message: string, detail?: object): void;
  warn(message: string, detail?: object): void;
  error(message: string, detail?: object): void;
}

export function createLog(write: (line: string) => void, now: () => number = Date.now): Log {
  const at =
    (level: string) =>
    (message: string, detail: object = {}) =>
      write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...detail })}\n`);
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };

/** What an error says, for a log line or a message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
