import { sseMessage } from "../../lib/sse.ts";
import { startEvents } from "../exchange/events-head.ts";
import type { Exchange, Watcher } from "../exchange/exchange.ts";
import type { GatewayLimits } from "../limits.ts";
import { keepAliveComment } from "../exchange/keep-alive.ts";

/** Beyond what is held for who comes back: what a client of a stream that answers nothing may leave unread. */
const STANDING_BYTES = 1024 * 1024;

/** Where the open ones are known. */
export interface OpenStreams {
  readonly limits: Pick<GatewayLimits, "messageBytes" | "replayBytes">;
  /** Milliseconds of the gateway's clock. */
  now(): number;
  opened(stream: EventStream): void;
  closed(stream: EventStream): void;
}

/**
 * An answer that is an event stream. Its head leaves at once, comments keep
 * it alive, a client that does not read is cut off. All that is sent after
 * its end is dropped.
 */
export class EventStream implements Watcher {
  /** Its place among the open ones. */
  slot = -1;
  /** Milliseconds of the gateway's clock at which something was written last. */
  wroteAt = 0;
  readonly #x: Exchange;
  readonly #streams: OpenStreams;
  readonly #owner: { closed(stream: EventStream): void } | undefined;
  #closed = false;

  /** `owner` is told once of the close, whoever closes it. */
  constructor(x: Exchange, streams: OpenStreams, owner?: { closed(stream: EventStream): void }) {
    this.#x = x;
    this.#streams = streams;
    this.#owner = owner;
    x.watcher = this;
    x.record.http_status = 200;
    if (!x.clientGone && !x.res.headersSent) startEvents(x.res);
    streams.opened(this);
    if (x.clientGone) this.closed();
  }

  get isOpen(): boolean {
    return !this.#closed && !this.#x.res.writableEnded;
  }

  /** It stands until somebody ends it, and is no answer to a request. */
  get stands(): boolean {
    return this.#x.stands;
  }

  /** Whether its client left before its end. */
  get abandoned(): boolean {
    return this.#x.clientGone;
  }

  /** Sends one JSON-RPC message. False: the client is slow, wait if you can. */
  send(json: string, id?: string): boolean {
    if (this.isOpen) this.#x.record.stream_events++;
    return this.#write(sseMessage(json, id));
  }

  /** An event of another kind than `message`. */
  sendAs(event: string, data: string): boolean {
    return this.#write(`event: ${event}\ndata: ${data}\n\n`);
  }

  /** Primes the client to come back with `id`, `retryMs` after the connection is lost (2025-11-25, basic/transports). */
  prime(id: string, retryMs: number): boolean {
    return this.#write(`id: ${id}\nretry: ${retryMs}\ndata:\n\n`);
  }

  /** Tells nothing, so that nobody on the way takes the connection for dead. */
  comment(): void {
    this.#write(keepAliveComment);
  }

  /** Ends the stream, with a last message if there is one. */
  end(json?: string, id?: string): void {
    if (json !== undefined) this.send(json, id);
    if (this.isOpen) this.#x.res.end();
  }

  /** Another connection takes over: it ends, and waits for no reader. */
  replaced(): void {
    if (this.isOpen && this.#x.res.writableLength > 0) this.#x.res.destroy();
    else this.end();
  }

  /** The client's side is closed; called by the exchange. */
  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#streams.closed(this);
    this.#owner?.closed(this);
  }

  #write(text: string): boolean {
    if (!this.isOpen) return true;
    const { res, record } = this.#x;
    const size = Buffer.byteLength(text);
    if (this.#isTooMuch(res.writableLength, size)) {
      res.destroy();
      return true;
    }
    record.response_bytes += size;
    this.wroteAt = this.#streams.now();
    return res.write(text);
  }

  /** Whether a client that is `waiting` bytes behind is not to have so many more held for it, beyond what its socket takes. */
  #isTooMuch(waiting: number, size: number): boolean {
    const { messageBytes, replayBytes } = this.#streams.limits;
    const { stands, record } = this.#x;
    // HTTP+SSE has its answers on the stream that stands.
    const answers = !stands || record.transport === "sse";
    // What is held for who comes back may be sent in one go, and whoever reads is told any message.
    if (!answers) return waiting > 0 && waiting + size > STANDING_BYTES + replayBytes;
    return waiting > messageBytes + replayBytes;
  }
}
