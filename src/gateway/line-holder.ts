import { holderOf } from "../upstream/http-sse/dispatcher.ts";
import { handOver } from "./hand-over.ts";
import type { Services } from "./services.ts";
import type { OpenSession } from "./sessions/session.ts";
import type { Turn } from "./turn.ts";

/**
 * Hands a request over whose session is a stream of HTTP+SSE that another
 * gateway process holds: what the server asked there can be answered only there. False where
 * it is served here; where the holder is gone, the session is opened anew.
 */
export function servedByHolder(turn: Turn, services: Services, session: OpenSession): boolean {
  const { upstream } = turn.endpoint;
  if (upstream.kind !== "external" || upstream.transport === undefined) return false;
  const own = services.upstreamSessions.idOf(session);
  const holder = own === undefined ? undefined : holderOf(own);
  if (holder === undefined || holder === services.peers.self) return false;
  return handOver(turn, services, holder);
}
