import type { IncomingMessage, ServerResponse } from "node:http";
import type { PoolConfig } from "pg";
import type { Log } from "../lib/log.ts";
import { offerRunner } from "../runner/leases.ts";
import type { Runner } from "../runner/runner.ts";
import type { KeyringFile } from "../store/keyring.ts";
import type { Closing } from "./closing.ts";
import { type GatewayParts, openGateway } from "./gateway.ts";
import { listen } from "./listen.ts";
import type { Elsewhere } from "./services.ts";
import { files, makeMeetingPlace } from "./workers/meeting-place.ts";
import { takePort } from "./workers/port.ts";
import { startWorkers } from "./workers/workers.ts";

export interface FrontParts extends Omit<GatewayParts, "instances" | "publicUrl" | "peers"> {
  readonly runner: Runner;
  readonly log: Log;
  /** API and pages. */
  readonly api: (request: IncomingMessage, response: ServerResponse) => void;
  /** Told the port in use before anything is served; answers the public URL. */
  readonly onPort: (port: number) => string;
  /** The database for workers; null: the embedded one. */
  readonly connection: PoolConfig | null;
  readonly sealingKeys: KeyringFile["sealing"];
}

/** What clients reach: one port. */
export interface Front {
  readonly applied: Elsewhere;
}

/** Serves the public port: from this process, or from as many gateway processes as are configured. */
export async function openFront(parts: FrontParts, closing: Closing): Promise<Front> {
  return parts.config.workers === 0 ? alone(parts, closing) : byWorkers(parts, closing);
}

async function alone(parts: FrontParts, closing: Closing): Promise<Front> {
  const { server, port } = await listen(
    {
      matches: (path) => gateway.matches(path),
      gateway: (request, response) => gateway.handle(request, response),
      rest: parts.api,
    },
    parts.config,
  );
  const publicUrl = parts.onPort(port);
  const gateway = openGateway({ ...parts, instances: parts.runner, publicUrl }, closing);
  closing.add({
    async close() {
      server.close();
      await gateway.close();
      server.closeAllConnections();
    },
  });
  return { applied: async () => {} };
}

/**
 * Control plane and supervisor stay here; workers serve the port, lease
 * instances over a socket, and pass on what is not the gateway's.
 */
async function byWorkers(parts: FrontParts, closing: Closing): Promise<Front> {
  const { config, log } = parts;
  const place = closing.add(makeMeetingPlace(config.dataDir));
  const { host, port } = config;
  const held = await takePort({ host, port });
  try {
    const publicUrl = parts.onPort(held.port);
    closing.add(await offerRunner(parts.runner, place.at(files.runner)));
    const { server } = await listen(
      { matches: () => false, gateway: () => {}, rest: parts.api },
      { path: place.at(files.api) },
    );
    closing.add({
      close() {
        server.close();
        server.closeAllConnections();
      },
    });
    const { connection, sealingKeys: sealing } = parts;
    const workers = closing.add(
      await startWorkers({
        count: config.workers,
        order: { config, port: held.port, publicUrl, connection, sealing },
        log,
        silenceMs: config.workerSilenceMs,
      }),
    );
    return { applied: (xid) => workers.applied(xid) };
  } finally {
    held.release();
  }
}
