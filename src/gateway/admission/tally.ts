import type { Principal } from "../../policy/decide.ts";
import type { Exchange, Tally } from "../exchange/exchange.ts";
import type { GatewayLimits } from "../limits.ts";
import { Refusal } from "../refusal.ts";

type Limits = Pick<GatewayLimits, "requestsPerPrincipal" | "streamsPerPrincipal" | "processes">;

/** Names kept at most before those with nothing under way are forgotten. */
const REMEMBERED = 10_000;

/**
 * What one process admits at least, where the limit itself is not less: the
 * kernel spreads connections evenly only where there are many.
 */
const SHARE_LEAST = 8;

/**
 * One process's part of a limit that holds over several. A connection carries
 * one request at a time, so requests and streams spread as connections do.
 */
export function shareOf(limit: number, processes: number): number {
  return Math.min(limit, Math.max(Math.ceil(limit / processes), SHARE_LEAST));
}

/** Bounds what one principal has under way at a time: requests, and streams that stand. */
export class Tallies {
  readonly #requests: number;
  readonly #streams: number;
  readonly #limits: Limits;
  readonly #tallies = new Map<string, Tally>();

  constructor(limits: Limits) {
    this.#requests = shareOf(limits.requestsPerPrincipal, limits.processes);
    this.#streams = shareOf(limits.streamsPerPrincipal, limits.processes);
    this.#limits = limits;
  }

  /** Counts a request until `leave`; throws the 429 when its principal has too many. */
  enter(x: Exchange, principal: Principal): void {
    const name = principal.kind === "anonymous" ? `anonymous ${x.record.ip}` : principal.id;
    const tally = this.#tallies.get(name) ?? this.#add(name);
    const most = this.#requests;
    if (tally.requests >= most) {
      const which = this.#which(this.#limits.requestsPerPrincipal);
      throw tooMany(1, `You have ${most} requests under way${which}. Wait until some have ended.`);
    }
    tally.requests++;
    x.tally = tally;
  }

  /** From here on the request is a stream that stands; throws the 429 when its principal has too many of them. */
  stand(x: Exchange): void {
    const { tally } = x;
    if (x.stands) return;
    if (tally === undefined) {
      x.stands = x.handedOver;
      return;
    }
    const most = this.#streams;
    if (tally.streams >= most) {
      const which = this.#which(this.#limits.streamsPerPrincipal);
      throw tooMany(
        10,
        `You have ${most} standing streams (GET, subscriptions/listen) open${which}. Close those that nobody reads.`,
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

  #which(limit: number): string {
    const { processes } = this.#limits;
    if (processes === 1) return ", which is the most at a time for one caller";
    return ` at one of ${processes} gateway processes, which is its share of the ${limit} that one caller has at a time`;
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
