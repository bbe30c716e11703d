import { backoffDelay } from "../../lib/backoff.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import type { Upstream } from "../../snapshot/snapshot.ts";
import type { Held, Leases } from "../exchange/leases.ts";
import { hasRoom, Link, type LinkEnd, type Standing } from "./link.ts";

/** What an attachment is for. */
export interface Purpose {
  /** Whether anybody listens. */
  readonly wanted: boolean;
  /** Whether it counts as use of an instance: it wakes one, and keeps it awake. */
  readonly uses: boolean;
  /** May reject where the upstream cannot be asked yet. */
  request(held: Held, lastEvent: string | undefined): Standing | Promise<Standing>;
  /** The stream's head is here. True: the upstream listens from now on; else `message` will say so, or the promise. */
  opened(held: Held): boolean | Promise<void>;
  /** True: this message says that the upstream listens from now on. */
  message(message: JsonObject): boolean;
}

/** How long an upstream that ended its stream is left alone, in milliseconds. */
const FIRST_MS = 250;
const LONGEST_MS = 30_000;
/** A stream that stood as long as this was no failure. */
const STOOD_MS = 10_000;

/** A link that is on its way up, and who waits for it. */
interface Rising {
  link: Link | undefined;
  readonly up: PromiseWithResolvers<void>;
}

/**
 * Keeps a stream from an upstream up for as long as it is wanted. It rides
 * along: it wakes no instance by itself and keeps none awake, and attaches
 * again when a call wakes it, unless its purpose counts as use. To external
 * servers it comes back with growing pauses.
 */
export class Attachment implements LinkEnd {
  readonly #leases: Leases;
  readonly #upstream: Upstream;
  readonly #purpose: Purpose;
  readonly #messageBytes: number;
  readonly #unwatch: () => void;
  #current: Link | undefined;
  #rising: Rising | undefined;
  /** What is counted as used for it. */
  #used: Held | undefined;
  /** Answered that it serves no such stream. */
  #barren: Held | undefined;
  #lastEvent: string | undefined;
  #failures = 0;
  #upAt = 0;
  #retry: NodeJS.Timeout | undefined;
  #round = 0;
  #latest: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(leases: Leases, upstream: Upstream, messageBytes: number, purpose: Purpose) {
    this.#leases = leases;
    this.#upstream = upstream;
    this.#purpose = purpose;
    this.#messageBytes = messageBytes;
    this.#unwatch = leases.onHeld(upstream, (held) => {
      const known = this.#current ?? this.#rising?.link;
      if (known?.held !== held) void this.renew();
    });
  }

  /** What the stream that is up comes from. */
  get on(): Held | undefined {
    return this.#current?.held;
  }

  /** Resolves when what was asked last is up, or not for now. */
  get latest(): Promise<void> {
    return this.#latest;
  }

  /** Nothing is up, nor on its way. */
  get isDown(): boolean {
    return this.#current === undefined && this.#rising === undefined;
  }

  /**
   * Asks for the stream, or for another in place of the one that is up.
   * Resolves when it is up, or when it is clear that it is not for now.
   */
  renew(): Promise<void> {
    clearTimeout(this.#retry);
    this.#latest = this.#attempt(++this.#round);
    return this.#latest;
  }

  /** Whether it counts as use may have changed. */
  async reconsider(): Promise<void> {
    if (this.#current === undefined) return this.renew();
    this.#use(this.#purpose.uses ? this.#current.held : undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#unwatch();
    this.#fall();
    this.#current?.close();
    this.#current = undefined;
    this.#use(undefined);
  }

  opened(link: Link): void {
    const up = this.#purpose.opened(link.held);
    if (up === true) this.#risen(link);
    else if (up !== false) {
      up.then(
        () => this.#risen(link),
        () => this.#risen(link),
      );
    }
  }

  message(link: Link, message: JsonObject): void {
    if (this.#purpose.message(message)) this.#risen(link);
  }

  ended(link: Link, barren: boolean): void {
    if (barren) this.#barren = link.held;
    // One that ends while it is made is not yet there to compare with.
    if (this.#rising !== undefined && (this.#rising.link ?? link) === link) this.#fall();
    else if (link === this.#current) {
      this.#lastEvent = link.lastEvent ?? this.#lastEvent;
      this.#current = undefined;
      if (performance.now() - this.#upAt > STOOD_MS) this.#failures = 0;
    }
    if (this.#current === undefined) this.#use(undefined);
    if (!barren) this.#later();
  }

  async #attempt(round: number): Promise<void> {
    if (this.#closed || !this.#purpose.wanted) {
      if (this.#closed) return;
      this.#fall();
      this.#current?.close();
      this.#current = undefined;
      return this.#use(undefined);
    }
    let held: Held | undefined;
    let request: Standing;
    try {
      const wakes = this.#purpose.uses || this.#upstream.kind === "external";
      const taken = wakes ? this.#leases.take(this.#upstream) : this.#leases.warm(this.#upstream);
      // Without a pause where there is nothing to wait for: the stream is to be there before the call that woke it.
      held = taken instanceof Promise ? await taken : taken;
      if (round !== this.#round) return this.#latest;
      if (held === undefined || held === this.#barren) return;
      if (!hasRoom(held)) return this.#later();
      const made = this.#purpose.request(held, this.#lastEvent);
      request = made instanceof Promise ? await made : made;
    } catch {
      if (round === this.#round) this.#later();
      return;
    }
    if (round !== this.#round) return this.#latest;
    this.#fall();
    this.#use(this.#purpose.uses ? held : undefined);
    const rising: Rising = { link: undefined, up: Promise.withResolvers<void>() };
    this.#rising = rising;
    rising.link = new Link(held, request, this.#messageBytes, this);
    await rising.up.promise;
  }

  #risen(link: Link): void {
    const rising = this.#rising;
    if (rising === undefined || rising.link !== link) return;
    this.#rising = undefined;
    // The new one is up before the old one ends, so that nothing falls in between.
    this.#current?.close();
    this.#current = link;
    this.#upAt = performance.now();
    rising.up.resolve();
  }

  #fall(): void {
    const rising = this.#rising;
    if (rising === undefined) return;
    this.#rising = undefined;
    rising.link?.close();
    rising.up.resolve();
  }

  #later(): void {
    if (this.#closed || !this.#purpose.wanted || this.#current !== undefined) return;
    // Without use, the next call that wakes an instance brings the stream back.
    const rides = this.#upstream.kind === "hosted" && !this.#purpose.uses;
    if (rides && this.#leases.warm(this.#upstream) === undefined) return;
    const pause = backoffDelay(++this.#failures, { first: FIRST_MS, longest: LONGEST_MS });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.renew(), pause);
    this.#retry.unref();
  }

  #use(held: Held | undefined): void {
    const before = this.#used;
    if (before === held) return;
    if (held !== undefined) this.#leases.begin(held);
    this.#used = held;
    if (before !== undefined) this.#leases.end(before);
  }
}
