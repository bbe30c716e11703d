import type { Principal } from "../policy/decide.ts";
import type { Endpoint } from "../snapshot/snapshot.ts";
import type { Exchange } from "./exchange/exchange.ts";

/** An admitted request: who asks, and what of. */
export interface Turn {
  readonly x: Exchange;
  readonly endpoint: Endpoint;
  readonly principal: Principal;
}
