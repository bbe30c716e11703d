import type { Principal } from "../policy/decide.ts";
import type { Exchange, Tally } from "./exchange.ts";
import type { GatewayLimits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

/** Names kept at most before those with nothing under way are forgotten. */
const REMEMBERED = 10_000;

/** Bounds what one principal has under way at a time: requests, and streams that stand. */
export class Tallies {
  readonly #limits: Pick<GatewayLimits, "requestsPerPrincipal" | "streamsPerPrincipal">;
  readonly #tallies = new Map<string, Tally>();

  constructor(limits: Pick<GatewayLimits, "requestsPerPrincipal" | "streamsPerPrincipal">) {
    this.#limits = limits;
  }

  /** Counts a request until `leave`; throws the 429 when its principal has too many. */
  enter(x: Exchange, principal: Principal): void {
    const name = principal.kind === "anonymous" ? `anonymous ${x.record.ip}` : principal.id;
    const tally = this.#tallies.get(name) ?? this.#add(name);
    const most = this.#limits.requestsPerPrincipal;
    if (tally.requests >= most) {
      throw tooMany(
        1,
        `You have ${most} requests under way, which is the most at a time for one caller. Wait until some have ended.`,
      );
    }
    tally.requests++;
    x.tally = tally;
  }

  /** From here on the request is a stream that stands; throws the 429 when its principal has too many of them. */
  stand(x: Exchange): void {
    const { tally } = x;
    if (tally === undefined || x.stands) return;
    const most = this.#limits.streamsPerPrincipal;
    if (tally.streams >= most) {
      throw tooMany(
        10,
        `You have ${most} standing streams (GET, subscriptions/listen) open, which is the most at a time for one caller. Close those that nobody reads.`,
      );
    }
    tally.requests--;
    tally.streams++;
    x.stands = true;
  }

  leave(x: Exchange): void {
    const { tally } = x;
    if (tally === undefined) return;
    x.tally = undefined;
    if (x.stands) tally.streams--;
    else tally.requests--;
  }

  #add(name: string): Tally {
    if (this.#tallies.size >= REMEMBERED) {
      for (const [known, { requests, streams }] of this.#tallies) {
        if (requests + streams === 0) this.#tallies.delete(known);
      }
    }
    const tally = { requests: 0, streams: 0 };
    this.#tallies.set(name, tally);
    return tally;
  }
}

function tooMany(seconds: number, message: string): Refusal {
  return new Refusal("limit", 429, message, { headers: { "retry-after": String(seconds) } });
}
