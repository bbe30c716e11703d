import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";

/** Told what became of a message that was posted; one of `taken`, `refused` and `failed` is told. */
export interface PostEnd {
  sent(): void;
  taken(): void;
  refused(status: number): void;
  failed(error: Error): void;
}

/** Milliseconds within which a message must be taken; some servers take one only once it is answered. */
const TAKE_MS = 10 * 60_000;
/** Milliseconds between what a server says about having taken it. */
const WORDS_MS = 15_000;
/** Bytes that a server may say about having taken it. */
const WORDS_BYTES = 65_536;

/** One message on its way to where a server takes them. */
export class Post implements Dispatcher.DispatchHandler {
  /** It has no connection any more. */
  over = false;
  /** Called once it is over, however that came. */
  onOver: (() => void) | undefined;
  readonly #end: PostEnd;
  readonly #takeMs: number;
  #controller: Dispatcher.DispatchController | undefined;
  #told = false;
  #aborted: Error | undefined;
  #bytes = 0;

  /** `takeMs`: milliseconds within which it must be taken. */
  constructor(end: PostEnd, takeMs = TAKE_MS) {
    this.#end = end;
    this.#takeMs = takeMs;
  }

  send(dispatcher: Dispatcher, to: { origin: string; path: string }, headers: string[], body: string): void {
    dispatcher.dispatch(
      { ...to, method: "POST", headers, body, headersTimeout: this.#takeMs, bodyTimeout: WORDS_MS },
      this,
    );
  }

  /** Gives its connection back; whoever was told nothing yet is told that it failed. */
  abort(reason = new Error("Nobody waits for it any more.")): void {
    if (this.over) return;
    this.#aborted = reason;
    this.#fail(reason);
    this.#controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted !== undefined) controller.abort(this.#aborted);
    else this.#end.sent();
  }

  onResponseStart(_: unknown, status: number, _headers: IncomingHttpHeaders): void {
    if (this.#told || status < 200) return;
    this.#told = true;
    if (status < 300) this.#end.taken();
    else this.#end.refused(status);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > WORDS_BYTES) controller.abort(new Error("It says more than anybody reads."));
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_: unknown, error: Error): void {
    this.#finish();
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#told) return;
    this.#told = true;
    this.#end.failed(error);
  }

  #finish(): void {
    if (this.over) return;
    this.over = true;
    this.onOver?.();
  }
}
