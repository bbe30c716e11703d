import { backgroundTasks } from "./tasks.ts";
import { bridges } from "./bridges.ts";
import { bridgesBounds } from "./bridges-bounds.ts";
import { bridgesParked } from "./bridges-parked.ts";
import { builds } from "./builds.ts";
import { conformance } from "./conformance.ts";
import { guards } from "./guards.ts";
import { handshakeClient } from "./handshake-client.ts";
import { handshakeTransports } from "./handshake-transports.ts";
import { hub } from "./hub.ts";
import { hubUpstreams } from "./hub-upstreams.ts";
import { messages } from "./messages.ts";
import type { Requirement } from "./requirement.ts";
import { runner } from "./runner.ts";
import { sessions } from "./sessions.ts";
import { upstreamEras } from "./eras.ts";
import { virtualSessions } from "./virtual-sessions.ts";
import { statelessClient } from "./stateless-client.ts";
import { upstream } from "./upstream.ts";
import { upstreamSse } from "./upstream-sse.ts";
import { upstreamSseBounds } from "./upstream-sse-bounds.ts";
import { workers } from "./workers.ts";

/** Every requirement, by area. */
export const requirements: readonly Requirement[] = [
  ...backgroundTasks,
  ...builds,
  ...conformance,
  ...guards,
  ...handshakeClient,
  ...handshakeTransports,
  ...hub,
  ...hubUpstreams,
  ...messages,
  ...bridges,
  ...bridgesBounds,
  ...bridgesParked,
  ...runner,
  ...sessions,
  ...upstreamEras,
  ...virtualSessions,
  ...statelessClient,
  ...upstream,
  ...upstreamSse,
  ...upstreamSseBounds,
  ...workers,
];
