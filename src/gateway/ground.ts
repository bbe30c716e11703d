import type { Clock } from "../lib/clock.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { Pools } from "../upstream/pool.ts";
import type { Leases } from "./exchange/leases.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Credentials, Peers, Sessions, Tokens, Upstreams } from "./ports.ts";
import type { SessionBook } from "./sessions/session.ts";
import type { Streams } from "./streams/streams.ts";

/** What the gateway's own services stand on: its doors, and what needs nothing but them. */
export interface Ground {
  readonly snapshot: Snapshot;
  readonly tokens: Tokens;
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly leases: Leases;
  readonly book: SessionBook;
  readonly upstreams: Upstreams;
  readonly peers: Peers;
  readonly pools: Pools;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly limits: GatewayLimits;
}
