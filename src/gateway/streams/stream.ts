import type { Method } from "../../mcp/methods.ts";
import type { EventStream } from "./event-stream.ts";

interface Kept {
  readonly seq: number;
  readonly id: string;
  readonly json: string;
  /** Its loss would leave a request without an answer. */
  readonly matters: boolean;
}

/** Milliseconds after which a client asks again (2025-11-25, basic/transports). */
const RETRY_MS = 1000;

/** What some streams hold together: those of one principal, of one organization, or all. */
export interface Share {
  readonly name: string;
  readonly mostBytes: number;
  /** Ended streams held at most, however little they hold. */
  readonly mostEnded: number;
  streams: number;
  bytes: number;
  /** Those that have ended, the oldest first. */
  readonly ended: Set<Stream>;
}

/** Where those of a session are held. */
export interface Holder {
  ended(stream: Stream): void;
  forget(stream: Stream): void;
  /** By so many bytes; less than none when it drops something. */
  grew(stream: Stream, bytes: number): void;
  /** Whether it holds more than it may. `held`: its events. */
  overfull(stream: Stream, held: number): boolean;
}

const everything = (): boolean => true;

/**
 * A stream of one session that outlives its connections: what was sent on it
 * is held for a while, and a client that lost its connection goes on where
 * it was. At most one connection carries it at a time.
 */
export class Stream {
  /** `<holder>.<stream>`. */
  readonly name: string;
  readonly session: string;
  /** In what it takes part: what the streams of its principal hold, of its organization, and all, this one among them. */
  readonly shares: readonly Share[];
  /** It answers no request: its server speaks first on it. */
  readonly stands: boolean;
  /** What its reader needs on the server; of one that stands, for all but changes of lists. */
  readonly needs: Method["needs"];
  /** Milliseconds of the gateway's clock. */
  endedAt = Infinity;
  /** Bytes that it holds. */
  bytes = 0;
  readonly #streams: Holder;
  readonly #kept: Kept[] = [];
  #seq = 0;
  /** The newest event that mattered and is no longer held. */
  #lost = -1;
  #out: EventStream | undefined;
  #resumed = false;
  #answered = false;

  constructor(
    streams: Holder,
    {
      name,
      session,
      shares,
      stands,
      needs,
    }: Pick<Stream, "name" | "session" | "shares" | "stands" | "needs">,
  ) {
    this.#streams = streams;
    this.name = name;
    this.session = session;
    this.shares = shares;
    this.stands = stands;
    this.needs = needs;
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
      this.#answered = true;
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

  /** Goes on with a new connection from what `passes` of what came after `seq`; the one before is ended. */
  resume(out: EventStream, seq: number, passes: (json: string) => boolean = everything): void {
    const before = this.#out;
    this.#out = out;
    this.#resumed = true;
    before?.replaced();
    for (const { seq: at, json, id } of this.#kept) if (at > seq && passes(json)) out.send(json, id);
    if (this.endedAt !== Infinity) out.end();
  }

  /** A connection is closed: it carries nothing any more. */
  closed(out: EventStream): void {
    if (out !== this.#out) return;
    this.#out = undefined;
    // A client that came back and has it all will not come again, unless it has no response.
    const whole = this.#resumed && (this.#answered || this.stands) && !out.abandoned;
    if (this.endedAt !== Infinity && whole) this.#streams.forget(this);
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
