import { Refusal } from "../refusal.ts";

/** A call that waits for its client to come back. */
export interface Waiting {
  readonly id: string;
  /** Whose it is, and of which organization: each has a share of the room. */
  readonly owner: string;
  readonly organization: string;
  /** Ends it; resolves once the upstream was told. Never rejects. */
  cancel(reason: string): Promise<void>;
}

/** What some calls hold, or may. `bytes`: of what was asked, and of responses that came while their clients were away. */
interface Room {
  calls: number;
  bytes: number;
}

const MIB = 1024 * 1024;
const PER_OWNER = 32;
const perOwner: Room = { calls: PER_OWNER, bytes: 8 * MIB };
const perOrganization: Room = { calls: 500, bytes: 16 * MIB };
const inAll: Room = { calls: 2_000, bytes: 64 * MIB };

/** Bytes of a response at most that comes while its client is away. */
const RESPONSE_BYTES = MIB;

/** The calls that this process holds for stateless clients which were asked something. */
export class Parked {
  readonly #calls = new Map<string, Waiting>();
  /** What is held: by each owner, by each organization, and in all. */
  readonly #rooms = new Map<string, Room>();
  readonly #kept = new Map<Waiting, number>();

  get size(): number {
    return this.#calls.size;
  }

  find(id: string): Waiting | undefined {
    return this.#calls.get(id);
  }

  /** `bytes`: of what it holds. A refusal where there are too many, or where they hold too much. */
  add(call: Waiting, bytes: number): Refusal | undefined {
    const calls = this.#calls.has(call.id) ? 0 : 1;
    const full = this.#full(call, calls, bytes - this.#bytesOf(call));
    if (full !== undefined) return full;
    this.#take(call, calls, bytes);
    this.#calls.set(call.id, call);
    return;
  }

  remove(call: Waiting): void {
    this.#take(call, this.#calls.delete(call.id) ? -1 : 0, 0);
  }

  /** Takes room for the response to a call, in place of what was asked. False: there is none, and it keeps nothing. */
  keep(call: Waiting, bytes: number): boolean {
    const fits = bytes <= RESPONSE_BYTES && this.#full(call, 0, bytes - this.#bytesOf(call)) === undefined;
    this.#take(call, 0, fits ? bytes : 0);
    return fits;
  }

  /** Ends all of them; resolves once their upstreams were told. */
  async close(): Promise<void> {
    await Promise.all([...this.#calls.values()].map((call) => call.cancel("The gateway is closing.")));
  }

  #bytesOf(call: Waiting): number {
    return this.#kept.get(call) ?? 0;
  }

  #full(call: Waiting, calls: number, bytes: number): Refusal | undefined {
    for (const [name, most, whose] of sharesOf(call)) {
      const held = this.#rooms.get(name) ?? { calls: 0, bytes: 0 };
      if (calls > 0 && held.calls + calls > most.calls) {
        return tooMany(`${held.calls} calls ${whose} wait for an answer already`);
      }
      if (bytes > 0 && held.bytes + bytes > most.bytes) {
        return tooMany(`calls ${whose} hold too much already`);
      }
    }
    return;
  }

  /** `calls`: more or fewer than before; `bytes`: that the call holds from now on. */
  #take(call: Waiting, calls: number, bytes: number): void {
    const more = bytes - this.#bytesOf(call);
    if (bytes > 0) this.#kept.set(call, bytes);
    else this.#kept.delete(call);
    for (const [name] of sharesOf(call)) {
      const held = this.#rooms.get(name) ?? { calls: 0, bytes: 0 };
      held.calls += calls;
      held.bytes += more;
      if (held.calls === 0 && held.bytes === 0) this.#rooms.delete(name);
      else this.#rooms.set(name, held);
    }
  }
}

/** In what a call takes part, how much may be held there, and whose that is. */
function sharesOf({ owner, organization }: Waiting): (readonly [string, Room, string])[] {
  return [
    [`owner ${owner}`, perOwner, "of yours"],
    [`organization ${organization}`, perOrganization, "of your organization"],
    ["", inAll, "of all callers"],
  ];
}

function tooMany(what: string): Refusal {
  return new Refusal(
    "limit",
    429,
    `The server asks for something before it goes on, and ${what}. Answer some of them, or wait: none waits longer than ten minutes. The call may have taken effect.`,
    { headers: { "retry-after": "60" } },
  );
}
