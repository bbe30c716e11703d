import type { Clock } from "../../lib/clock.ts";
import { randomText } from "../../lib/ids.ts";
import type { RequestId } from "../../mcp/envelope.ts";
import type { GatewayLimits } from "../limits.ts";
import { Live } from "../live.ts";
import type { OpenSession } from "../session.ts";
import { type EventId, streamName } from "./event-id.ts";
import type { EventStream } from "./event-stream.ts";
import { Stream } from "./stream.ts";

/** What the streams of one principal hold. */
export interface Share {
  readonly owner: string;
  streams: number;
  bytes: number;
  /** Those that have ended, the oldest first. */
  readonly ended: Set<Stream>;
}

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
  readonly #shares = new Map<string, Share>();
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
  begin({ claims }: OpenSession, request: RequestId | null): Stream {
    const unique = `${this.#own}${(this.#count++).toString(36)}`;
    const owner = `${claims.organization} ${claims.principal}`;
    const share = this.#shares.get(owner) ?? { owner, streams: 0, bytes: 0, ended: new Set() };
    this.#shares.set(owner, share);
    share.streams++;
    const name = `${this.#holder}.${streamName(unique, request)}`;
    const stream = new Stream(this, { name, session: claims.sid, share, stands: request === null });
    this.#streams.set(name, stream);
    return stream;
  }

  /** The stream on which an event was sent, if it is held here and is the session's. */
  find({ holder, stream: name }: EventId, session: string): Stream | undefined {
    const stream = this.#streams.get(`${holder}.${name}`);
    return stream?.session === session ? stream : undefined;
  }

  forget(stream: Stream): void {
    const { share, bytes } = stream;
    this.#ended.delete(stream);
    share.ended.delete(stream);
    if (!this.#streams.delete(stream.name)) return;
    this.grew(stream, -bytes);
    if (--share.streams === 0) this.#shares.delete(share.owner);
  }

  ended(stream: Stream): void {
    stream.endedAt = this.now();
    this.#ended.add(stream);
    stream.share.ended.add(stream);
    if (this.#ended.size > ENDED_MOST) this.forget(first(this.#ended)!);
  }

  /** `bytes`: that a stream holds more than before. */
  grew(stream: Stream, bytes: number): void {
    stream.bytes += bytes;
    stream.share.bytes += bytes;
    this.#bytes += bytes;
  }

  /** Whether `stream` must give something up; what has ended goes first, of its own principal before that of others. */
  overfull(stream: Stream, events: number): boolean {
    const { replayEvents, replayBytes, replayPrincipalBytes, replayTotalBytes } = this.limits;
    const { share } = stream;
    if (events > replayEvents || stream.bytes > replayBytes) return true;
    while (share.bytes > replayPrincipalBytes || this.#bytes > replayTotalBytes) {
      const oldest = first(share.bytes > replayPrincipalBytes ? share.ended : this.#ended);
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
}

function first(streams: Set<Stream>): Stream | undefined {
  for (const stream of streams) return stream;
  return;
}
