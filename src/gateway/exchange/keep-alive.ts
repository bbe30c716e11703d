import type { Exchange } from "./exchange.ts";

/** Told on a stream on which nothing happens, so that nobody on the way takes the connection for dead. */
export const keepAliveComment = ": keep-alive\n\n";

/** Sees by the gateway's ticks when a stream has rested for long. */
export class Rest {
  #bytes = -1;
  #since = 0;

  /** True when nothing was sent since `x.keepAliveMs`, or since this was last true. */
  due(x: Exchange): boolean {
    const now = x.elapsed();
    if (this.#bytes === x.record.response_bytes && now - this.#since < x.keepAliveMs) return false;
    const rested = this.#bytes === x.record.response_bytes;
    this.#bytes = x.record.response_bytes;
    this.#since = now;
    return rested;
  }
}
