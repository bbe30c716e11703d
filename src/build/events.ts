import { printable } from "../lib/printable.ts";
import { BuildError, type BuildEvent, type Step } from "./build.ts";
import type { BuildLimits, Say } from "./services.ts";

/** Characters of a line that are kept. */
const LONGEST = 8192;
const MOST_WARNINGS = 20;

/** The events of one build, from those who make them to the one who reads them. */
export class Events {
  readonly #limits: BuildLimits;
  readonly #waiting: BuildEvent[] = [];
  #wake: (() => void) | undefined;
  #step: Step = "source";
  #lines = 0;
  #bytes = 0;
  #warnings = 0;

  constructor(limits: BuildLimits) {
    this.#limits = limits;
  }

  push(event: BuildEvent): void {
    this.#waiting.push(event);
    this.#wake?.();
  }

  /** Adds a line of the step that runs; past the limit one last line says so, and the rest is dropped. */
  readonly say: Say = (text, stream = "info") => {
    if (this.#lines > this.#limits.logLines || this.#bytes > this.#limits.logBytes) return;
    const line = printable(text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text);
    this.#lines++;
    this.#bytes += Buffer.byteLength(line) + 1;
    const full = this.#lines > this.#limits.logLines || this.#bytes > this.#limits.logBytes;
    const words = full ? "the log is full; later lines are not kept" : line;
    this.push({
      type: "line",
      step: this.#step,
      at: Date.now(),
      stream: full ? "info" : stream,
      text: words,
    });
  };

  /** Adds a line that begins with `warning:`, and keeps the words with the build. */
  readonly warn = (text: string): void => {
    this.say(`warning: ${text}`);
    if (this.#warnings++ < MOST_WARNINGS)
      this.push({ type: "warning", text: printable(text).slice(0, 2000) });
  };

  /** Runs one step between its two events. Errors that are no BuildError become one of this step. */
  async step<T>(
    step: Step,
    run: () => Promise<{ readonly result: T; readonly reused: boolean }>,
  ): Promise<T> {
    this.#step = step;
    const began = performance.now();
    this.push({ type: "started", step, at: Date.now() });
    const { result, reused } = await run();
    const durationMs = Math.round(performance.now() - began);
    this.push({ type: "finished", step, at: Date.now(), durationMs, reused });
    return result;
  }

  get current(): Step {
    return this.#step;
  }

  /** Yields until `work` ends, then returns what it gave. */
  async *until<T>(work: Promise<T>): AsyncGenerator<BuildEvent, T> {
    let over = false;
    const end = (): void => {
      over = true;
      this.#wake?.();
    };
    // The rejection itself is met by the last line.
    work.then(end, end);
    for (;;) {
      const next = this.#waiting.shift();
      if (next) yield next;
      else if (over) break;
      else await new Promise<void>((done) => (this.#wake = done));
    }
    return work;
  }
}

/** What an abort with this reason means to the reader of the build. */
export function abortError(step: Step, reason: unknown): BuildError {
  if (reason instanceof BuildError) return reason;
  return new BuildError(step, "canceled", "The build was canceled.", { cause: reason });
}
