import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { SseReader } from "../../lib/sse.ts";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { parseBounded } from "../../mcp/lossless.ts";
import type { Held } from "../exchange/leases.ts";
import { Refusal } from "../refusal.ts";
import { formOf } from "../exchange/relay.ts";

/** What an upstream is asked for a stream that stands. */
export interface Standing {
  readonly method: "GET" | "POST";
  readonly headers: string[];
  readonly body?: string;
}

/** Told of a link's life; `ended` is told once, and nothing after it. */
export interface LinkEnd {
  /** The stream's head is here. */
  opened(link: Link): void;
  message(link: Link, message: JsonObject): void;
  /** `barren`: this upstream serves no such stream, so that asking again at once is no use. */
  ended(link: Link, barren: boolean): void;
}

/** Milliseconds after which a stream without a head is taken for one: some servers send it with the first event. */
const OPEN_MS = 1_000;
/** Milliseconds until such a head must be there. */
const HEAD_MS = 10 * 60_000;

/** Streams from one upstream at most: each has a connection, and calls need some too. */
const LINKS_MOST = 512;
const open = new WeakMap<Held["dial"], number>();

/** Whether one more stream may stand at an upstream. */
export function hasRoom({ dial }: Held): boolean {
  return (open.get(dial) ?? 0) < LINKS_MOST;
}

function count({ dial }: Held, more: number): void {
  open.set(dial, (open.get(dial) ?? 0) + more);
}

/** One stream of the gateway's own from an upstream, until either side ends it. */
export class Link implements Dispatcher.DispatchHandler {
  readonly held: Held;
  /** The id of the last event that had one: where a resumed stream goes on. */
  lastEvent: string | undefined;
  readonly #end: LinkEnd;
  readonly #events: SseReader;
  readonly #late: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #isOpen = false;
  #over = false;

  constructor(held: Held, request: Standing, messageBytes: number, end: LinkEnd) {
    this.held = held;
    this.#end = end;
    this.#events = new SseReader(messageBytes, (event) => {
      if (event.id !== undefined) this.lastEvent = event.id;
      // An event with an id and empty data only primes a reader to resume (2025-11-25, basic/transports).
      const message = event.data === "" ? undefined : parse(event.data);
      if (message !== undefined && !this.#over) this.#end.message(this, message);
    });
    this.#late = setTimeout(() => this.#open(), OPEN_MS);
    this.#late.unref();
    count(held, 1);
    const { dispatcher, origin, path } = held.dial;
    dispatcher.dispatch({ origin, path, ...request, headersTimeout: HEAD_MS, bodyTimeout: 0 }, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error("The stream is over."));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || status < 200) return;
    const form = formOf(status, headers);
    // Whoever answers "not now", or that it has one already, may stream later; every other answer is its word on streams.
    const barren = status !== 409 && status !== 429 && status < 500;
    if (form instanceof Refusal || form !== "events") this.#stop(barren);
    else this.#open();
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#events.push(chunk);
    } catch {
      // One event is larger than any message may be.
      this.#stop(false);
    }
  }

  onResponseEnd(): void {
    this.#stop(false);
  }

  onResponseError(): void {
    this.#stop(false);
  }

  /** Ends it without a word to whoever listens. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    count(this.held, -1);
    clearTimeout(this.#late);
    this.#controller?.abort(new Error("Nobody listens any more."));
  }

  #open(): void {
    clearTimeout(this.#late);
    if (this.#over || this.#isOpen) return;
    this.#isOpen = true;
    this.#end.opened(this);
  }

  #stop(barren: boolean): void {
    if (this.#over) return;
    this.close();
    this.#end.ended(this, barren);
  }
}

function parse(text: string): JsonObject | undefined {
  try {
    const value = parseBounded(text);
    return isObject(value) && value["jsonrpc"] === "2.0" ? value : undefined;
  } catch {
    return;
  }
}
