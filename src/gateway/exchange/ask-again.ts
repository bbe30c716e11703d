/** An upstream let its stream go, and gave a place to go on from (2025-11-25, basic/transports). */
export interface Unfinished {
  readonly lastEventId: string;
  /** Milliseconds after which it wants to be asked, if it said so. */
  readonly retryMs: number | undefined;
}

/** Milliseconds after which an upstream is asked again that did not say when. */
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;
/** Questions in a row that may go wrong. */
const FAILURES_MOST = 2;

/**
 * When and how an upstream is asked to go on with a stream that it let go: by
 * GET with the id of the last event (2025-11-25, basic/transports).
 */
export class AskAgain {
  /** Whether the answer under way is one to such a question. */
  asking = false;
  #lastEventId = "";
  #at = Infinity;
  #failures = 0;

  /** Plans the next question; `elapsed` is the age of the request in milliseconds. */
  plan({ lastEventId, retryMs }: Unfinished, elapsed: number): void {
    this.#lastEventId = lastEventId;
    this.#at = elapsed + Math.min(retryMs ?? RETRY_MS, RETRY_MOST_MS);
  }

  /** True once, when it is time. */
  due(elapsed: number): boolean {
    if (elapsed < this.#at) return false;
    this.#at = Infinity;
    this.asking = true;
    return true;
  }

  /** It went wrong: whether it is worth another try. */
  failed(): boolean {
    return ++this.#failures <= FAILURES_MOST;
  }

  answered(): void {
    this.#failures = 0;
  }

  /** The question's headers, from those of the request: a flat list of names and values. */
  headers(given: readonly string[]): string[] {
    const list: string[] = [];
    for (let i = 0; i < given.length; i += 2) {
      if (given[i] !== "content-type" && given[i] !== "accept") list.push(given[i]!, given[i + 1]!);
    }
    list.push("accept", "text/event-stream", "last-event-id", this.#lastEventId);
    return list;
  }
}
