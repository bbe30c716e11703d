import type { Clock } from "../lib/clock.ts";
import type { Leases } from "./leases.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Credentials, Peers, Sessions } from "./ports.ts";
import type { SessionBook } from "./session.ts";

/** What every part of the gateway that carries messages stands on. */
export interface Services {
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly leases: Leases;
  readonly book: SessionBook;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
}
