import type { Clock } from "../lib/clock.ts";
import type { Hub } from "./hub/hub.ts";
import type { HeldSessions } from "./held-sessions.ts";
import type { Leases } from "./leases.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Credentials, Peers, Sessions } from "./ports.ts";
import type { Pools } from "../upstream/pool.ts";
import type { SessionBook } from "./session.ts";
import type { Streams } from "./streams/streams.ts";
import type { Tallies } from "./tally.ts";
import type { Tasks } from "./tasks/tasks.ts";
import type { VirtualSessions } from "./virtual-sessions.ts";
import type { UpstreamSessions } from "./upstream-sessions.ts";

/** What every part of the gateway that carries messages stands on. */
export interface Services {
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly leases: Leases;
  readonly heldSessions: HeldSessions;
  readonly upstreamSessions: UpstreamSessions;
  readonly book: SessionBook;
  readonly virtualSessions: VirtualSessions;
  readonly peers: Peers;
  readonly pools: Pools;
  readonly hub: Hub;
  readonly streams: Streams;
  readonly tallies: Tallies;
  readonly tasks: Tasks;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
}
