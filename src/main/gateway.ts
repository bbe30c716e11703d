import type { Config } from "../config.ts";
import { reservedOrganizations } from "../contract/slugs.ts";
import type { Context, Services } from "../domain/context.ts";
import { createRequestWriter } from "../domain/records/write-requests.ts";
import { createDoubts } from "../domain/servers/doubt.ts";
import { createRefusals } from "../domain/servers/keep-refusal.ts";
import { beginSession } from "../domain/sessions/begin.ts";
import { publishSession } from "../domain/sessions/publish.ts";
import { createSessionWriter } from "../domain/sessions/write-sessions.ts";
import { createGateway, type Gateway } from "../gateway/handler.ts";
import type { Instances, Peers } from "../gateway/ports.ts";
import { openToken, sealToken, type Keyring } from "../lib/seal.ts";
import type { Principal } from "../policy/decide.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { Pools } from "../upstream/pool.ts";
import type { Closing } from "./closing.ts";

export interface GatewayParts {
  readonly config: Config;
  readonly services: Services;
  readonly sealing: Keyring;
  readonly instances: Instances;
  readonly pools: Pools;
  readonly publicUrl: string;
  /** Absent where there is one process. */
  readonly peers?: Peers;
}

/** The gateway with its doors filled, and the writers behind them: the same in the only process and in each worker. */
export function openGateway(parts: GatewayParts, closing: Closing): Gateway {
  const { config, services, sealing } = parts;
  const records = closing.add(createRequestWriter(services));
  const sessions = closing.add(createSessionWriter(services));
  const ctx: Context = { ...services, actor: { kind: "system", job: "gateway" } };
  return createGateway({
    snapshot: services.snapshot,
    tokens: {
      verify(_token, hash) {
        const found = keyHolder(services.snapshot, hash);
        return found && { principal: found.principal, token: found.key, kind: "api_key" };
      },
    },
    credentials: { headers: () => ({}) },
    instances: parts.instances,
    sessions: {
      seal: (claims) => sealToken(sealing, "session", claims),
      open: (token) => openToken(sealing, "session", token),
      seen: (row) => sessions.push(row),
      begin: (row) => beginSession(ctx, row),
      publish: (row, news) => publishSession(ctx, row, news),
    },
    upstreams: { ...createDoubts(services), ...createRefusals(ctx) },
    records: { write: (record) => records.push(record) },
    publicUrl: parts.publicUrl,
    clock: services.clock,
    pools: parts.pools,
    reserved: new Set(reservedOrganizations),
    allowedOrigins: config.allowedOrigins,
    limits: {
      requestsPerPrincipal: config.callerRequests,
      streamsPerPrincipal: config.callerStreams,
      processes: Math.max(1, config.workers),
    },
    ...(parts.peers === undefined ? {} : { peers: parts.peers }),
  });
}

/** Whose key it is, by the key's hash. */
export function keyHolder(
  snapshot: Snapshot,
  hash: string,
): { readonly principal: Principal; readonly key: string } | undefined {
  const key = snapshot.key(hash);
  const principal = key && snapshot.principal(key.organization, key.principal);
  return key && principal && { principal, key: key.id };
}
