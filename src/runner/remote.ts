import { connect, type Socket } from "node:net";
import type { FromClient, FromRunner } from "./leases.ts";
import { readLines } from "../lib/read-lines.ts";
import { StartError, type Isolation, type Lease, type Runner, type Target } from "./runner.ts";

/** A refusal carries a traceback and the last lines of a server. */
const LONGEST_MESSAGE = 16 * 1024 * 1024;

interface Waiting {
  resolve(lease: Lease): void;
  reject(error: unknown): void;
}

interface Connection {
  readonly isolation: Isolation;
  readonly open: boolean;
  acquire(target: Target): Promise<Lease>;
  end(): void;
}

/** Resolves at the runner's greeting; rejects when nobody listens there. */
function dial(socketPath: string): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(socketPath);
    const waiting = new Map<number, Waiting>();
    const leases = new Map<number, AbortController>();
    let next = 0;
    let open = true;
    const say = (message: FromClient): void => {
      if (open) socket.write(`${JSON.stringify(message)}\n`);
    };
    const leaseOf = (id: number, granted: Omit<Lease, "lost" | "release">): Lease => {
      const controller = new AbortController();
      leases.set(id, controller);
      return {
        ...granted,
        lost: controller.signal,
        release: () => {
          if (leases.delete(id)) say({ type: "release", id });
        },
      };
    };
    const heard = (message: FromRunner): void => {
      switch (message.type) {
        case "hello":
          resolve({
            isolation: message.isolation,
            get open() {
              return open;
            },
            acquire: (target) =>
              new Promise((granted, refused) => {
                const id = next++;
                waiting.set(id, { resolve: granted, reject: refused });
                say({ type: "acquire", id, target });
              }),
            end: () => socket.destroy(),
          });
          return;
        case "granted": {
          const { type: _, id, ...granted } = message;
          waiting.get(id)?.resolve(leaseOf(id, granted));
          waiting.delete(id);
          return;
        }
        case "refused": {
          const { reason, message: said, ...detail } = message.refusal;
          waiting.get(message.id)?.reject(new StartError(reason, said, detail));
          waiting.delete(message.id);
          return;
        }
        case "lost":
          leases.get(message.id)?.abort(new Error(message.reason));
          leases.delete(message.id);
      }
    };
    void readLines(socket, (text) => heard(JSON.parse(text) as FromRunner), LONGEST_MESSAGE);
    socket.on("error", reject);
    socket.once("close", () => {
      open = false;
      const gone = new Error("the connection to the runner is gone");
      reject(gone);
      for (const one of waiting.values()) one.reject(new StartError("exited", gone.message));
      for (const controller of leases.values()) controller.abort(gone);
      waiting.clear();
      leases.clear();
    });
  });
}

/**
 * A runner of another process of this machine, over its control socket. Dials
 * again at the next `acquire` after the connection was lost; a lost connection
 * loses its leases. Rejects when nobody listens on the socket.
 */
export async function connectRunner(socketPath: string): Promise<Runner> {
  const first = await dial(socketPath);
  let current: Promise<Connection> = Promise.resolve(first);
  let closed = false;
  return {
    isolation: first.isolation,
    async acquire(target) {
      if (closed) throw new StartError("exited", "The connection to the runner was closed.");
      let connection = await current.catch(() => null);
      if (connection === null || !connection.open) {
        current = dial(socketPath);
        connection = await current.catch((error: unknown) => {
          throw new StartError("exited", `The runner cannot be reached: ${(error as Error).message}`, {
            hint: "Its process may be restarting; try again in a moment.",
          });
        });
      }
      return connection.acquire(target);
    },
    async close() {
      closed = true;
      const connection = await current.catch(() => null);
      connection?.end();
    },
  };
}
