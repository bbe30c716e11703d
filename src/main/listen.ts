import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** What answers a request, by its path. */
export interface Routing {
  matches(path: string): boolean;
  gateway(request: IncomingMessage, response: ServerResponse): void;
  rest(request: IncomingMessage, response: ServerResponse): void;
}

/** One listener for gateway and API. Resolves with the port in use. */
export async function listen(
  routing: Routing,
  address: { host: string; port: number },
): Promise<{ server: Server; port: number }> {
  const server = createServer(
    { maxHeaderSize: 32 * 1024, keepAliveTimeout: 65_000, noDelay: true },
    (request, response) => {
      const url = request.url ?? "/";
      const query = url.indexOf("?");
      if (routing.matches(query < 0 ? url : url.slice(0, query))) routing.gateway(request, response);
      else routing.rest(request, response);
    },
  );
  // Streams stand for long; the gateway and the API bound what they read themselves.
  server.requestTimeout = 0;
  server.headersTimeout = 20_000;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: NodeJS.ErrnoException) => {
    const taken = `port ${address.port} on ${address.host} is in use; choose another with --port N`;
    reject(
      new ListenError(
        error.code === "EADDRINUSE"
          ? taken
          : `cannot listen on ${address.host}:${address.port}: ${error.message}`,
      ),
    );
  });
  server.listen(address.port, address.host, () => resolve());
  await promise;
  const bound = server.address();
  return { server, port: typeof bound === "object" && bound !== null ? bound.port : address.port };
}
