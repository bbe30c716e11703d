import { Refusal } from "../refusal.ts";

/** A call that waits for its client to come back. */
export interface Waiting {
  readonly id: string;
  /** Whose it is: the bound counts by this. */
  readonly owner: string;
  /** Ends it; resolves once the upstream was told. Never rejects. */
  cancel(reason: string): Promise<void>;
}

const PER_OWNER = 32;
const IN_ALL = 2_000;
/** Bytes of what was asked, and of responses that came while their clients were away. */
const KEPT_BYTES = 64 * 1024 * 1024;

/** The calls that this process holds for stateless clients which were asked something. */
export class Parked {
  readonly #calls = new Map<string, Waiting>();
  readonly #counts = new Map<string, number>();
  readonly #kept = new Map<Waiting, number>();
  #bytes = 0;

  get size(): number {
    return this.#calls.size;
  }

  find(id: string): Waiting | undefined {
    return this.#calls.get(id);
  }

  /** `bytes`: of what it holds. A refusal where there are too many, or where they hold too much. */
  add(call: Waiting, bytes: number): Refusal | undefined {
    if (!this.keep(call, bytes)) return tooMany("too much is waiting for an answer already");
    if (this.#calls.has(call.id)) return;
    const count = this.#counts.get(call.owner) ?? 0;
    if (count >= PER_OWNER) return tooMany(`${count} of your calls wait for an answer already`);
    if (this.#calls.size >= IN_ALL) return tooMany("too many calls wait for an answer already");
    this.#calls.set(call.id, call);
    this.#counts.set(call.owner, count + 1);
    return;
  }

  remove(call: Waiting): void {
    this.keep(call, 0);
    if (!this.#calls.delete(call.id)) return;
    const count = this.#counts.get(call.owner)! - 1;
    if (count === 0) this.#counts.delete(call.owner);
    else this.#counts.set(call.owner, count);
  }

  /** Takes room for what a call holds now, in place of what it held. False: there is none. */
  keep(call: Waiting, bytes: number): boolean {
    const total = this.#bytes - (this.#kept.get(call) ?? 0) + bytes;
    if (total > KEPT_BYTES) return false;
    this.#bytes = total;
    if (bytes > 0) this.#kept.set(call, bytes);
    else this.#kept.delete(call);
    return true;
  }

  /** Ends all of them; resolves once their upstreams were told. */
  async close(): Promise<void> {
    await Promise.all([...this.#calls.values()].map((call) => call.cancel("The gateway is closing.")));
  }
}

function tooMany(what: string): Refusal {
  return new Refusal(
    "limit",
    429,
    `The server asks for something before it goes on, and ${what}. Answer some of them, or wait: none waits longer than ten minutes. The call may have taken effect.`,
    { headers: { "retry-after": "60" } },
  );
}
