import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Server as NetServer } from "node:net";
import { answerClientError } from "./client-error.ts";

export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** What answers a request, by its path. */
export interface Routing {
  matches(path: string): boolean;
  gateway(request: IncomingMessage, response: ServerResponse): void;
  rest(request: IncomingMessage, response: ServerResponse): void;
}

/** A port of this machine, its own or shared with other processes of ours that say so too; or a unix socket. */
export type ListenAddress =
  | { readonly host: string; readonly port: number; readonly reusePort?: boolean }
  | { readonly path: string };

/** One listener for gateway and API. Resolves with the port in use. */
export async function listen(
  routing: Routing,
  address: ListenAddress,
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
  server.on("clientError", answerClientError);
  return { server, port: await bind(server, address) };
}

/** Binds a server; resolves with its port, 0 for a unix socket. Throws a ListenError. */
export async function bind(server: NetServer, address: ListenAddress): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
  server.listen(address, () => resolve());
  await promise;
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

function listenError({ code, message }: NodeJS.ErrnoException, address: ListenAddress): ListenError {
  if ("path" in address) return new ListenError(`cannot listen on ${address.path}: ${message}`);
  const { host, port } = address;
  return new ListenError(
    code === "EADDRINUSE"
      ? `port ${port} on ${host} is in use; choose another with --port N`
      : `cannot listen on ${host}:${port}: ${message}`,
  );
}
