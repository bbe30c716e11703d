import { type Log, messageOf } from "../../lib/log.ts";

/**
 * Rows on their way to a table, off the path of what makes them: bounded in
 * memory, written in batches. A full queue drops and counts; it never blocks
 * and never throws. What is queued when the program is killed is lost: at most
 * one interval's worth.
 */
export interface Queue<Row> {
  push(row: Row): void;
  /** Rows dropped since the start. */
  readonly dropped: number;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface QueueOptions<Row> {
  readonly capacity: number;
  readonly intervalMs: number;
  readonly batch: number;
  readonly log: Log;
  readonly name: string;
  write(rows: readonly Row[]): Promise<void>;
}

/** PostgreSQL's classes 22 and 23: the data itself is at fault, so that trying again is of no use. */
function isRefusal(error: unknown): boolean {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  return /^2[23]...$/.test(code);
}

export function createQueue<Row>(options: QueueOptions<Row>): Queue<Row> {
  const { capacity, batch, log, name } = options;
  let rows: Row[] = [];
  let dropped = 0;
  let told = 0;
  let writing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  async function drain(): Promise<void> {
    let size = batch;
    while (rows.length > 0) {
      const part = rows.slice(0, size);
      try {
        await options.write(part);
      } catch (error) {
        if (isRefusal(error)) {
          // One row that the table does not take must not keep back all others.
          if (part.length > 1) size = Math.ceil(part.length / 2);
          else {
            log.error(`one of the ${name} was refused by its table and is lost`, { error: messageOf(error) });
            rows = rows.slice(1);
            size = batch;
          }
          continue;
        }
        // Kept for the next attempt; the bound on memory still holds.
        log.warn(`${name} could not be written`, { rows: rows.length, error: messageOf(error) });
        return;
      }
      rows = rows.slice(part.length);
    }
    if (dropped > told) log.warn(`${name} were dropped: the queue was full`, { dropped: dropped - told });
    told = dropped;
  }

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    writing ??= drain().finally(() => {
      writing = undefined;
      if (rows.length > 0) arm();
    });
    return writing;
  };
  const arm = () => {
    timer ??= setTimeout(() => void flush(), options.intervalMs);
  };

  return {
    push(row) {
      if (rows.length >= capacity) {
        dropped += 1;
        return;
      }
      rows.push(row);
      arm();
    },
    get dropped() {
      return dropped;
    },
    flush,
    async close() {
      await flush();
      if (rows.length > 0) await flush();
      clearTimeout(timer);
    },
  };
}
