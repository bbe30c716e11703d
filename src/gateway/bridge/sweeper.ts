/** Something that has a time to keep. */
export interface Swept {
  /** `now`: monotonic milliseconds. */
  sweep(now: number): void;
}

/** How exact the times are. */
const TICK_MS = 50;

/** One timer for all that waits; it runs only while something does. */
export class Sweeper {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly #swept = new Set<Swept>();
  #timer: NodeJS.Timeout | undefined;

  constructor(now: () => number) {
    this.now = now;
  }

  add(item: Swept): void {
    this.#swept.add(item);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      const now = this.now();
      for (const each of this.#swept) each.sweep(now);
    }, TICK_MS);
    this.#timer.unref();
  }

  remove(item: Swept): void {
    this.#swept.delete(item);
    if (this.#swept.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
