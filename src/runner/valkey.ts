import { chmodSync, chownSync, existsSync, readdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Target } from "./runner.ts";

/**
 * Where hosted code keeps what outlives its instance: FastMCP's task queues,
 * and keyed session state. An instance that keeps something finds
 *
 * - `OFFING_VALKEY_URL`: `unix://<path>`, a socket that speaks the Redis
 *   protocol. It is signed in already, as the server's own user: there is no
 *   password, no AUTH, and one database.
 * - `OFFING_VALKEY_PREFIX`: `offing:<server>:`. Every key and channel must begin
 *   with it; any other is refused with NOPERM. The same for every artifact and
 *   scope of a server: what is not to be shared between them says so itself.
 *   Keyed session state lies below `<prefix>state:`, queues below `<prefix>q:`.
 * - `FASTMCP_DOCKET_URL`, `FASTMCP_DOCKET_NAME`: the same for FastMCP's tasks;
 *   the owner's own variables come before them.
 *
 * Denied: administration, SCAN, KEYS, RANDOMKEY, DBSIZE, PUBSUB, functions, the
 * script debugger, client tracking. All instances of a server together have a
 * bounded number of connections. Where there is no Valkey, none of the
 * variables is there.
 */
export interface Valkeys {
  /** Whether there is one to be had. */
  available(): Promise<boolean>;
  /** A connection signed in as the server's user. */
  connect(target: Target): Promise<Socket>;
  /** Frees what an instance that is gone had begun; before a new one connects. */
  adopt(target: Target): Promise<void>;
  /** Whether the target's queue holds work that is not done. */
  unfinished(target: Target): Promise<boolean>;
  names(target: Target): { readonly prefix: string; readonly queue: string };
}

/** Where a sandbox with mounts of its own sees the socket. */
export const VALKEY_PATH = "/valkey";

/** Connections of one instance at most. */
const CONNECTIONS = 128;

/** Whether a Python environment (absolute path) holds FastMCP's task engine, so that its server may have tasks. */
export function hasTaskEngine(environment: string): boolean {
  return holds(environment, "docket");
}

/** Whether it holds the stores in which FastMCP keeps what its server has of a session. */
export function hasSessionState(environment: string): boolean {
  return holds(environment, "key_value");
}

function holds(environment: string, module: string): boolean {
  const libraries = join(environment, "lib");
  if (!existsSync(libraries)) return false;
  return readdirSync(libraries).some((name) => existsSync(join(libraries, name, "site-packages", module)));
}

/** The variables by which an instance finds its keys. `path`: of the socket, as the instance sees it. */
export function valkeyVariables(names: ReturnType<Valkeys["names"]>, path: string): Record<string, string> {
  return {
    OFFING_VALKEY_URL: `unix://${path}`,
    OFFING_VALKEY_PREFIX: names.prefix,
    FASTMCP_DOCKET_URL: `unix://${path}`,
    FASTMCP_DOCKET_NAME: names.queue,
  };
}

/** One instance's socket to its server's keys; it ends with the instance. */
export interface ValkeyDoor {
  close(): void;
}

/**
 * Listens at `path`, for `uid` only, and joins each connection to one of the
 * server's user. The instance never sees Valkey's own socket, nor a password.
 * `failed` is told in words when no connection can be made, once in a row.
 */
export async function openValkeyDoor(
  valkeys: Valkeys,
  target: Target,
  options: { readonly path: string; readonly uid: number | null; failed(why: string): void },
): Promise<ValkeyDoor> {
  const sockets = new Set<Socket>();
  let adopted: Promise<void> | undefined;
  let failing = false;

  /** Before the first connection, and never again: the instance has begun its own work since. */
  function adopt(): Promise<void> {
    return (adopted ??= valkeys.adopt(target).catch((error: unknown) => {
      adopted = undefined;
      throw error;
    }));
  }

  async function join(client: Socket): Promise<void> {
    try {
      await adopt();
      const own = await valkeys.connect(target);
      failing = false;
      if (client.destroyed) return void own.destroy();
      track(own);
      const part = (): void => {
        client.destroy();
        own.destroy();
      };
      client.on("close", part);
      own.on("close", part);
      client.pipe(own);
      own.pipe(client);
    } catch (error) {
      client.destroy();
      if (!failing) options.failed(error instanceof Error ? error.message : String(error));
      failing = true;
    }
  }

  function track(socket: Socket): void {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  }

  const server = createServer({ pauseOnConnect: true }, (client) => {
    track(client);
    void join(client);
  });
  server.maxConnections = CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.path, resolve);
  });
  server.unref();
  chmodSync(options.path, 0o600);
  if (options.uid !== null) chownSync(options.path, options.uid, options.uid);
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
