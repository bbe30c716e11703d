import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Gateway } from "../../src/gateway/handler.ts";
import { type TestGateway, temporaryFolder } from "./harness.ts";
import { keep } from "./scene.ts";

/** One of several gateway processes, and the URL of an endpoint at it. */
export interface Process {
  readonly gateway: Gateway;
  readonly url: string;
}

/** Two gateway processes, a and b, behind the doors of `world`, for the endpoint at `url`; others can follow. `addresses`: where they reach one another. */
export async function twoProcesses(
  world: TestGateway,
  url: string,
): Promise<{
  a: Process;
  b: Process;
  addresses: Map<string, string>;
  begin: (name: string) => Promise<Process>;
}> {
  const folder = temporaryFolder();
  const addresses = new Map<string, string>();
  const begin = async (name: string): Promise<Process> => {
    const gateway = world.process(name, addresses);
    const open = createServer((req, res) => gateway.handle(req, res)).listen(0, "127.0.0.1");
    const own = createServer((req, res) => gateway.take(req, res)).listen(join(folder, name));
    await Promise.all([once(open, "listening"), once(own, "listening")]);
    addresses.set(name, `unix:${join(folder, name)}`);
    keep({
      async [Symbol.asyncDispose]() {
        await gateway.close();
        for (const server of [open, own]) {
          server.closeAllConnections();
          await new Promise((done) => server.close(done));
        }
        rmSync(join(folder, name), { force: true });
      },
    });
    const { port } = open.address() as AddressInfo;
    return { gateway, url: `http://127.0.0.1:${port}${new URL(url).pathname}` };
  };
  return { a: await begin("a"), b: await begin("b"), addresses, begin };
}
