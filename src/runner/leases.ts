import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import type { CapabilityEra } from "./channel.ts";
import { readLines } from "../lib/read-lines.ts";
import { StartError, type Isolation, type Lease, type Runner, type Target } from "./runner.ts";

/**
 * The lines of the control socket, JSON each. A client asks and releases by
 * numbers of its own; the runner greets, grants, refuses and tells of losses.
 */
export type FromClient =
  | { readonly type: "acquire"; readonly id: number; readonly target: Target }
  | { readonly type: "release"; readonly id: number };

export interface Refusal {
  readonly reason: StartError["reason"];
  readonly message: string;
  readonly traceback: string | null;
  readonly hint: string | null;
  readonly output: readonly string[];
  readonly missing: readonly string[];
  readonly code: string | null;
}

export type FromRunner =
  | { readonly type: "hello"; readonly isolation: Isolation }
  | {
      readonly type: "granted";
      readonly id: number;
      readonly instance: string;
      readonly address: string;
      readonly description: string;
      readonly eras: readonly CapabilityEra[];
    }
  | { readonly type: "refused"; readonly id: number; readonly refusal: Refusal }
  | { readonly type: "lost"; readonly id: number; readonly reason: string };

/** Leases given out on a socket; `close` ends the connections, and with them every lease that they hold. */
export interface LeaseServer {
  close(): Promise<void>;
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof StartError) {
    const { reason, message, traceback, hint, output, missing, code } = error;
    return { reason, message, traceback, hint, output, missing, code };
  }
  const none = { traceback: null, hint: null, output: [], missing: [], code: null };
  return { reason: "isolation", message: String(error), ...none };
}

/**
 * Offers a runner to other processes of this machine on a unix socket of mode
 * 0600. A lease is held by its connection: when the client is gone, however it
 * went, its leases are released at once. Rejects when the socket cannot be made.
 */
export async function offerRunner(runner: Runner, socketPath: string): Promise<LeaseServer> {
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.on("error", () => connection.destroy());
    serve(runner, connection, () => connections.delete(connection));
  });
  rmSync(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  chmodSync(socketPath, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of connections) connection.destroy();
      }),
  };
}

function serve(runner: Runner, connection: Socket, gone: () => void): void {
  const held = new Map<number, Lease | "released">();
  let open = true;
  const say = (message: FromRunner): void => {
    if (open) connection.write(`${JSON.stringify(message)}\n`);
  };
  const acquire = async (id: number, target: Target): Promise<void> => {
    try {
      const lease = await runner.acquire(target);
      if (!open || held.get(id) === "released") {
        held.delete(id);
        lease.release();
        return;
      }
      held.set(id, lease);
      lease.lost.addEventListener(
        "abort",
        () => {
          held.delete(id);
          say({ type: "lost", id, reason: (lease.lost.reason as Error).message });
        },
        { once: true },
      );
      const { instance, address, description, eras } = lease;
      say({ type: "granted", id, instance, address, description, eras });
    } catch (error) {
      held.delete(id);
      say({ type: "refused", id, refusal: refusalOf(error) });
    }
  };
  say({ type: "hello", isolation: runner.isolation });
  void readLines(connection, (text) => {
    const message = JSON.parse(text) as FromClient;
    if (message.type === "acquire") {
      void acquire(message.id, message.target);
      return;
    }
    const lease = held.get(message.id);
    if (lease === undefined) held.set(message.id, "released");
    else if (lease !== "released") {
      held.delete(message.id);
      lease.release();
    }
  });
  connection.once("close", () => {
    open = false;
    gone();
    for (const lease of held.values()) if (lease !== "released") lease.release();
    held.clear();
  });
}
