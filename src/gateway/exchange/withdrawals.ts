import type { Exchange } from "./exchange.ts";
import type { Live } from "./live.ts";

/**
 * Requests under way that their clients have cancelled: an answer that ends
 * without a response is right for those (2025-11-25,
 * basic/utilities/cancellation). A cancellation that another gateway process
 * takes leaves its request unmarked here.
 */
export class Withdrawals {
  readonly #live: Pick<Live<Exchange>, "all">;
  readonly #withdrawn = new WeakSet<Exchange>();

  constructor(live: Pick<Live<Exchange>, "all">) {
    this.#live = live;
  }

  /** The client of this session has cancelled the request of this id. */
  mark(session: string, id: unknown): void {
    if (id === null || id === undefined) return;
    for (const x of this.#live.all()) {
      if (x.id === id && x.record.session === session) this.#withdrawn.add(x);
    }
  }

  has(x: Exchange): boolean {
    return this.#withdrawn.has(x);
  }
}
