import type { Clock } from "../../lib/clock.ts";
import { randomText } from "../../lib/ids.ts";
import type { RequestId } from "../../mcp/envelope.ts";
import type { GatewayLimits } from "../limits.ts";
import { Live } from "../live.ts";
import { type EventId, streamName } from "./event-id.ts";
import type { EventStream } from "./event-stream.ts";
import { Stream } from "./stream.ts";

/** Ended streams held at most, however little they hold. */
const ENDED_MOST = 20_000;
const SWEEP_MS = 1_000;

/** Every event stream of this process: the open connections, and what is held for clients that come back. */
export class Streams {
  readonly limits: GatewayLimits;
  readonly #holder: string;
  readonly #clock: Clock;
  /** Unlike in any process that had the same name. */
  readonly #own = randomText(6);
  readonly #open = new Live<EventStream>();
  readonly #streams = new Map<string, Stream>();
  /** Those that have ended, the oldest first. */
  readonly #ended = new Set<Stream>();
  #count = 0;
  #bytes = 0;
  #sweptAt = 0;

  constructor(holder: string, clock: Clock, limits: GatewayLimits) {
    this.#holder = holder;
    this.#clock = clock;
    this.limits = limits;
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /** What is open and what is held: for tests that count. */
  get sizes(): { readonly open: number; readonly held: number; readonly bytes: number } {
    return { open: this.#open.size, held: this.#streams.size, bytes: this.#bytes };
  }

  /** A new stream of a session that can be resumed. `request`: the one that it answers. */
  begin(session: string, request: RequestId | null): Stream {
    const unique = `${this.#own}${(this.#count++).toString(36)}`;
    const stream = new Stream(
      this,
      `${this.#holder}.${streamName(unique, request)}`,
      session,
      request === null,
    );
    this.#streams.set(stream.name, stream);
    return stream;
  }

  /** The stream on which an event was sent, if it is held here and is the session's. */
  find({ holder, stream: name }: EventId, session: string): Stream | undefined {
    const stream = this.#streams.get(`${holder}.${name}`);
    return stream?.session === session ? stream : undefined;
  }

  forget(stream: Stream): void {
    this.#ended.delete(stream);
    if (this.#streams.delete(stream.name)) this.#bytes -= stream.bytes;
  }

  ended(stream: Stream): void {
    stream.endedAt = this.now();
    this.#ended.add(stream);
    if (this.#ended.size > ENDED_MOST) this.forget(this.#oldest()!);
  }

  grew(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether `stream` must give something up; what others hold that have ended goes first. */
  overfull(stream: Stream, events: number): boolean {
    const { replayEvents, replayBytes, replayTotalBytes } = this.limits;
    if (events > replayEvents || stream.bytes > replayBytes) return true;
    while (this.#bytes > replayTotalBytes) {
      const oldest = this.#oldest();
      if (oldest === undefined) return true;
      this.forget(oldest);
    }
    return false;
  }

  opened(out: EventStream): void {
    out.wroteAt = this.now();
    this.#open.add(out);
  }

  closed(out: EventStream): void {
    this.#open.remove(out);
  }

  /** Called by the gateway's ticks. */
  tick(): void {
    const now = this.now();
    if (now - this.#sweptAt < Math.min(SWEEP_MS, this.limits.keepAliveMs)) return;
    this.#sweptAt = now;
    for (const out of this.#open.all()) if (now - out.wroteAt >= this.limits.keepAliveMs) out.comment();
    for (const stream of this.#ended) {
      if (now - stream.endedAt < this.limits.replayMs) break;
      this.forget(stream);
    }
  }

  /** Ends the streams that stand by themselves, so that their clients connect anew. */
  drain(): void {
    for (const out of this.#open.all()) if (out.stands) out.end();
  }

  /** Ends every stream. */
  close(): void {
    for (const out of this.#open.all()) out.end();
  }

  #oldest(): Stream | undefined {
    for (const stream of this.#ended) return stream;
    return;
  }
}
