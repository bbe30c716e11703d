import type { EventStream } from "./event-stream.ts";
import type { Share, Streams } from "./streams.ts";

interface Kept {
  readonly seq: number;
  readonly id: string;
  readonly json: string;
  /** Its loss would leave a request without an answer. */
  readonly matters: boolean;
}

/** Milliseconds after which a client asks again (2025-11-25, basic/transports). */
const RETRY_MS = 1000;

/**
 * A stream of one session that outlives its connections: what was sent on it
 * is held for a while, and a client that lost its connection goes on where
 * it was. At most one connection carries it at a time.
 */
export class Stream {
  /** `<holder>.<stream>`. */
  readonly name: string;
  readonly session: string;
  /** What the streams of its principal hold, this one among them. */
  readonly share: Share;
  /** It answers no request: its server speaks first on it. */
  readonly stands: boolean;
  /** Milliseconds of the gateway's clock. */
  endedAt = Infinity;
  /** Bytes that it holds. */
  bytes = 0;
  readonly #streams: Streams;
  readonly #kept: Kept[] = [];
  #seq = 0;
  /** The newest event that mattered and is no longer held. */
  #lost = -1;
  #out: EventStream | undefined;
  #resumed = false;

  constructor(
    streams: Streams,
    { name, session, share, stands }: Pick<Stream, "name" | "session" | "share" | "stands">,
  ) {
    this.#streams = streams;
    this.name = name;
    this.session = session;
    this.share = share;
    this.stands = stands;
  }

  /** Begins on its first connection. `prime`: for clients that resume by themselves, since 2025-11-25. */
  begin(out: EventStream, prime: boolean): void {
    this.#out = out.isOpen ? out : undefined;
    if (prime) out.prime(`${this.name}.0`, RETRY_MS);
  }

  /** One message. `matters`: a request or a response. False: the client is slow. */
  send(json: string, matters: boolean): boolean {
    this.#seq++;
    return this.#deliver({ seq: this.#seq, id: `${this.name}.${this.#seq}`, json, matters });
  }

  /** Ends it, with the response that it was for. */
  end(json?: string): void {
    if (this.endedAt !== Infinity) return;
    if (json !== undefined) {
      this.#seq++;
      this.#deliver({ seq: this.#seq, id: `${this.name}.end`, json, matters: true });
    }
    this.#out?.end();
    this.#streams.ended(this);
  }

  /** Whether a connection carries it now. */
  get connected(): boolean {
    return this.#out !== undefined;
  }

  /** Whether all that mattered after `seq` is still held. */
  reaches(seq: number): boolean {
    return seq >= this.#lost;
  }

  /** Whether something came, or may come, after `seq`. */
  goesOn(seq: number): boolean {
    return this.endedAt === Infinity || this.#kept.some((event) => event.seq > seq);
  }

  /** Goes on with a new connection from what came after `seq`; the one before is ended. */
  resume(out: EventStream, seq: number): void {
    const before = this.#out;
    this.#out = out;
    this.#resumed = true;
    before?.replaced();
    for (const event of this.#kept) if (event.seq > seq) out.send(event.json, event.id);
    if (this.endedAt !== Infinity) out.end();
  }

  /** A connection is closed: it carries nothing any more. */
  closed(out: EventStream): void {
    if (out !== this.#out) return;
    this.#out = undefined;
    // A client that came back and has it all will not come again.
    if (this.endedAt !== Infinity && this.#resumed && !out.abandoned) this.#streams.forget(this);
  }

  #deliver(event: Kept): boolean {
    this.#kept.push(event);
    this.#streams.grew(this, event.json.length);
    while (this.#kept.length > 0 && this.#streams.overfull(this, this.#kept.length)) this.#drop();
    return this.#out?.send(event.json, event.id) ?? true;
  }

  /** Gives up the oldest event, one that does not matter before one that does. */
  #drop(): void {
    const least = this.#kept.findIndex((event) => !event.matters);
    const [event] = this.#kept.splice(Math.max(0, least), 1);
    this.#streams.grew(this, -event!.json.length);
    if (event!.matters) this.#lost = event!.seq;
  }
}
