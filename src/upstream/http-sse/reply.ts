import type { Dispatcher } from "undici";
import { errorText } from "../../mcp/errors.ts";
import type { RequestId } from "../../mcp/envelope.ts";

/** Bytes that wait at most in one room: the largest message, and half as much again. */
const ROOM_BYTES = 24 * 1024 * 1024;
/** Bytes that a text takes beside its own while it waits. */
const KEPT_BYTES = 256;
/** Places of texts that have left, after which they are given back. */
const LEFT_MOST = 1024;

/** What waits for readers that have paused; replies that share one are bounded together. */
export class Room {
  bytes = 0;
}

/** The answer to one request, told to its handler as undici tells those that come over HTTP. */
export class Reply implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  /** The reader is told nothing more. */
  over = false;
  /** Its head has been told. */
  begun = false;
  /** Called once it is over, however that came. */
  onOver: (() => void) | undefined;
  /** Where it waits for its reader; set before anything is written. */
  room = new Room();
  readonly #handler: Dispatcher.DispatchHandler;
  #started = false;
  #waiting: string[] = [];
  /** The place of the first text that waits; those before it have left. */
  #first = 0;
  /** What it has in the room. */
  #bytes = 0;
  #ended = false;

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler;
  }

  /** The request is on its way: from here on its sender can abort it. */
  start(): void {
    if (this.#started || this.over) return;
    this.#started = true;
    this.#handler.onRequestStart?.(this, {});
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.start();
    if (this.begun || this.over) return;
    this.begun = true;
    this.#handler.onResponseStart?.(this, status, { ...headers });
  }

  write(text: string): void {
    if (this.over || this.#ended) return;
    if (!this.paused && this.#first === this.#waiting.length) {
      return this.#handler.onResponseData?.(this, Buffer.from(text));
    }
    const bytes = Buffer.byteLength(text) + KEPT_BYTES;
    if (this.room.bytes + bytes > ROOM_BYTES) {
      return this.fail(new Error("Its reader takes the answer more slowly than the server sends it."));
    }
    this.#waiting.push(text);
    this.#keep(bytes);
  }

  /** What has no head by now is no answer, and fails. */
  end(): void {
    if (!this.begun)
      return this.fail(new Error("The server did not take the request while it was waited for."));
    this.#ended = true;
    this.#flush();
  }

  /** A whole answer. */
  whole(status: number, text = "", headers: Readonly<Record<string, string>> = {}): void {
    this.head(status, text === "" ? headers : { ...headers, "content-type": "application/json" });
    if (text !== "") this.write(text);
    this.end();
  }

  /** A whole answer that is a JSON-RPC error. */
  refuse(status: number, id: RequestId | null, code: number, message: string): void {
    this.whole(status, errorText(id, code, message));
  }

  fail(error: Error): void {
    if (this.over) return;
    this.#finish();
    this.#handler.onResponseError?.(this, error);
  }

  abort(reason: Error): void {
    if (this.over) return;
    this.aborted = true;
    this.reason = reason;
    this.fail(reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#flush();
  }

  #flush(): void {
    while (!this.over && !this.paused && this.#first < this.#waiting.length) {
      const chunk = Buffer.from(this.#waiting[this.#first]!);
      this.#waiting[this.#first++] = "";
      this.#keep(-chunk.length - KEPT_BYTES);
      this.#handler.onResponseData?.(this, chunk);
    }
    if (this.#first === this.#waiting.length || this.#first > Math.max(LEFT_MOST, this.#waiting.length / 2)) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    if (!this.#ended || this.over || this.paused) return;
    this.#finish();
    this.#handler.onResponseEnd?.(this, {});
  }

  #keep(bytes: number): void {
    this.#bytes += bytes;
    this.room.bytes += bytes;
  }

  #finish(): void {
    this.over = true;
    this.#waiting = [];
    this.#first = 0;
    this.#keep(-this.#bytes);
    this.onOver?.();
  }
}
