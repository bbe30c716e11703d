import type { Dispatcher } from "undici";

/** Where requests to one upstream go. */
export interface Dial {
  readonly address: string;
  /** Sends one request; see undici's Dispatcher. The path and origin are the address's own. */
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly path: string;
}
