import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

export interface Shim extends AsyncDisposable {
  readonly url: string;
}

/**
 * Stands before a gateway and adds a key to what passes, since the suite has
 * no way to send one. All else, `Host` included, goes on as it came, and a
 * caller that leaves takes its request with it.
 */
export async function startShim(gateway: string, key: string): Promise<Shim> {
  const { hostname, port, pathname } = new URL(gateway);
  const server = createServer((req, res) => {
    const onward = request({
      hostname,
      port,
      path: pathname,
      method: req.method,
      headers: [...req.rawHeaders, "authorization", `Bearer ${key}`],
    });
    onward.on("error", () => res.destroy());
    onward.on("response", (answer) => {
      res.writeHead(answer.statusCode!, answer.rawHeaders);
      res.flushHeaders();
      answer.on("error", () => res.destroy());
      answer.pipe(res);
    });
    res.on("close", () => onward.destroy());
    req.pipe(onward);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
