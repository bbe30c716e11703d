import pg, { type PoolConfig } from "pg";
import type { Config } from "../config.ts";
import type { HostPort } from "../upstream/guard.ts";

/** What is ours on the network: no build and no external server may be found there. */
export function ownListeners(
  { host, publicUrl, valkeyUrl }: Pick<Config, "host" | "publicUrl" | "valkeyUrl">,
  port: number,
  connection: PoolConfig,
): readonly HostPort[] {
  return [{ host, port }, ...databaseHost(connection), ...hostOf(publicUrl), ...hostOf(valkeyUrl)];
}

/** The database; one on a unix socket is out of reach anyway. */
function databaseHost(connection: PoolConfig): HostPort[] {
  const { host, port } = new pg.Client(connection);
  return host.startsWith("/") ? [] : [{ host, port }];
}

const ports: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
const VALKEY_PORT = 6379;

function hostOf(url: string | undefined): HostPort[] {
  if (url === undefined) return [];
  const { hostname, port, protocol } = new URL(url);
  return [{ host: hostname, port: port === "" ? (ports[protocol] ?? VALKEY_PORT) : Number(port) }];
}
