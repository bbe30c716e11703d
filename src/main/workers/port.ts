import { createServer } from "node:net";
import { bind } from "../listen.ts";

/**
 * Takes a port for workers to share: only one that is free, as for a listener
 * of its own, for the kernel would let another program of this user share it
 * too. Held until `release`, when the workers hold it. Throws a ListenError.
 */
export async function takePort(address: {
  readonly host: string;
  readonly port: number;
}): Promise<{ readonly port: number; release(): void }> {
  // A port that the kernel chooses is free.
  if (address.port !== 0) {
    const alone = createServer();
    await bind(alone, address);
    await new Promise((closed) => alone.close(closed));
  }
  // Nobody is told of the address yet; who connects early may try again.
  const shared = createServer((socket) => socket.destroy());
  const port = await bind(shared, { ...address, reusePort: true });
  return { port, release: () => void shared.close() };
}
