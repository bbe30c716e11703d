import pg, { type PoolConfig } from "pg";
import type { HostPort } from "../upstream/guard.ts";

/** What is ours on the network: no build and no external server may be found there. */
export function ownListeners(
  config: { readonly host: string },
  port: number,
  connection: PoolConfig,
): readonly HostPort[] {
  return [{ host: config.host, port }, ...databaseHost(connection)];
}

/** The database; one on a unix socket is out of reach anyway. */
function databaseHost(connection: PoolConfig): HostPort[] {
  const { host, port } = new pg.Client(connection);
  return host.startsWith("/") ? [] : [{ host, port }];
}
