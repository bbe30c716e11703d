import type { Method } from "../../mcp/methods.ts";
import type { Clock } from "../../lib/clock.ts";
import { randomText } from "../../lib/ids.ts";
import type { RequestId } from "../../mcp/envelope.ts";
import type { GatewayLimits } from "../limits.ts";
import { Live } from "../exchange/live.ts";
import type { OpenSession } from "../sessions/session.ts";
import { type EventId, streamName } from "./event-id.ts";
import type { EventStream } from "./event-stream.ts";
import { type Share, Stream } from "./stream.ts";

const ENDED_PRINCIPAL = 2_000;
const ENDED_ORGANIZATION = 5_000;
const ENDED_ALL = 20_000;
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
  readonly #all: Share;
  #count = 0;
  #sweptAt = 0;

  constructor(holder: string, clock: Clock, limits: GatewayLimits) {
    this.#holder = holder;
    this.#clock = clock;
    this.limits = limits;
    this.#all = empty("", limits.replayTotalBytes, ENDED_ALL);
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /** What is open and what is held: for tests that count. */
  get sizes(): { readonly open: number; readonly held: number; readonly bytes: number } {
    return { open: this.#open.size, held: this.#streams.size, bytes: this.#all.bytes };
  }

  /** A new stream of a session that can be resumed. `request`: the one that it answers; `needs`: what that needs on the server. */
  begin({ claims }: OpenSession, request: RequestId | null, needs: Method["needs"]): Stream {
    return this.#add(claims, request, { needs, stands: false });
  }

  /** The same for one on which a session's server speaks first. */
  stand({ claims }: OpenSession): Stream {
    return this.#add(claims, null, { needs: "call", stands: true });
  }

  /** The stream on which an event was sent, if it is held here and is the session's. */
  find({ holder, stream: name }: EventId, session: string): Stream | undefined {
    const stream = this.#streams.get(`${holder}.${name}`);
    return stream?.session === session ? stream : undefined;
  }

  forget(stream: Stream): void {
    for (const share of stream.shares) share.ended.delete(stream);
    if (!this.#streams.delete(stream.name)) return;
    this.grew(stream, -stream.bytes);
    for (const share of stream.shares) if (--share.streams === 0) this.#shares.delete(share.name);
  }

  ended(stream: Stream): void {
    stream.endedAt = this.now();
    for (const share of stream.shares) {
      share.ended.add(stream);
      if (share.ended.size > share.mostEnded) this.forget(first(share.ended)!);
    }
  }

  /** `bytes`: that a stream holds more than before. */
  grew(stream: Stream, bytes: number): void {
    stream.bytes += bytes;
    for (const share of stream.shares) share.bytes += bytes;
  }

  /**
   * Whether `stream` must give something up. Where a share is full, what ended
   * first within it goes first: of its own principal, then of its own
   * organization, and of others only where all hold too much together.
   */
  overfull(stream: Stream, events: number): boolean {
    const { replayEvents, replayBytes } = this.limits;
    if (events > replayEvents || stream.bytes > replayBytes) return true;
    for (const share of stream.shares) {
      while (share.bytes > share.mostBytes) {
        const oldest = first(share.ended);
        if (oldest === undefined) return true;
        this.forget(oldest);
      }
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
    for (const stream of this.#all.ended) {
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

  #add(
    { organization, principal, sid: session }: OpenSession["claims"],
    request: RequestId | null,
    { needs, stands }: Pick<Stream, "needs" | "stands">,
  ): Stream {
    const { replayPrincipalBytes, replayOrganizationBytes } = this.limits;
    const shares = [
      this.#share(`${organization} ${principal}`, replayPrincipalBytes, ENDED_PRINCIPAL),
      this.#share(organization, replayOrganizationBytes, ENDED_ORGANIZATION),
      this.#all,
    ];
    for (const share of shares) share.streams++;
    const unique = `${this.#own}${(this.#count++).toString(36)}`;
    const name = `${this.#holder}.${streamName(unique, request)}`;
    const stream = new Stream(this, { name, session, shares, stands, needs });
    this.#streams.set(name, stream);
    return stream;
  }

  #share(name: string, mostBytes: number, mostEnded: number): Share {
    let share = this.#shares.get(name);
    if (share === undefined) this.#shares.set(name, (share = empty(name, mostBytes, mostEnded)));
    return share;
  }
}

function empty(name: string, mostBytes: number, mostEnded: number): Share {
  return { name, mostBytes, mostEnded, streams: 0, bytes: 0, ended: new Set() };
}

function first(streams: Set<Stream>): Stream | undefined {
  for (const stream of streams) return stream;
  return;
}
