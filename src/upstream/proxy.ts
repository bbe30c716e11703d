import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { type Guard, GuardRefused } from "./guard.ts";

export interface ProxyOptions {
  readonly guard: Guard;
  readonly organization: string;
  /** Bytes in both directions together; beyond it every connection is cut. */
  readonly maxBytes: number;
  /** Told once per refused connection, so that a log can name the reason the client hides. */
  onRefused?(refusal: GuardRefused): void;
  /** Told once, when `maxBytes` is used up. */
  onLimit?(): void;
}

/** An HTTP proxy (CONNECT and absolute-form) whose every connection passes the guard. */
export interface Proxy {
  /** Path of its unix socket, for a sandbox. */
  readonly socket: string;
  /** `http://user:token@127.0.0.1:port`, for trusted children that speak to no unix socket. */
  readonly url: string;
  /** Ends every connection and leaves no socket behind. */
  close(): Promise<void>;
}

/** Headers between client and proxy only (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "upgrade",
]);

export async function createProxy(options: ProxyOptions): Promise<Proxy> {
  const token = randomBytes(24).toString("base64url");
  const sockets = new Set<Duplex>();
  let left = options.maxBytes;

  const count = (chunk: Buffer): void => {
    const before = left;
    left -= chunk.length;
    if (before < 0 || left >= 0) return;
    options.onLimit?.();
    for (const socket of sockets) socket.destroy();
  };
  const keep = (socket: Duplex): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  };
  const refusal = (error: unknown): { status: number; text: string } => {
    if (error instanceof GuardRefused) {
      options.onRefused?.(error);
      return { status: 403, text: error.message };
    }
    return { status: 502, text: error instanceof Error ? error.message : String(error) };
  };

  /** Dials through the guard; the socket returned is connected and checked. */
  const dial = async (host: string, port: number): Promise<Socket> => {
    if (left < 0) throw new Error("the byte limit of this build's network is used up");
    const { guard, organization } = options;
    await guard.resolve(organization, host, port);
    const socket = connect({ host, port, lookup: guard.lookup(organization, port), autoSelectFamily: true });
    keep(socket);
    await once(socket, "connect");
    try {
      guard.verify(organization, host, port, socket.remoteAddress ?? "");
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return socket;
  };

  const tunnel = (request: IncomingMessage, client: Duplex, head: Buffer): void => {
    keep(client);
    const target = splitAuthority(request.url ?? "");
    dial(target.host, target.port).then(
      (upstream) => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        upstream.write(head);
        upstream.on("data", count);
        client.on("data", count);
        client.pipe(upstream).pipe(client);
        client.once("close", () => upstream.destroy());
        upstream.once("close", () => client.destroy());
      },
      (error: unknown) => {
        const { status, text } = refusal(error);
        client.end(refusalHead(status, text) + text + "\n");
      },
    );
  };

  const forward = (request: IncomingMessage, response: ServerResponse): void => {
    const fail = (error: unknown): void => {
      const { status, text } = refusal(error);
      if (response.headersSent) return void response.destroy();
      response.writeHead(status, { "content-type": "text/plain" }).end(`${text}\n`);
    };
    let url: URL;
    try {
      url = new URL(request.url ?? "");
      if (url.protocol !== "http:") throw new Error("no absolute http URL");
    } catch {
      return void response.writeHead(400).end("This is a proxy; it takes CONNECT and absolute http URLs.\n");
    }
    dial(url.hostname, Number(url.port) || 80).then((socket) => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).filter(([name]) => !HOP_BY_HOP.has(name)),
      );
      const outgoing = httpRequest(
        { createConnection: () => socket, method: request.method, path: url.pathname + url.search, headers },
        (incoming) => {
          response.writeHead(incoming.statusCode ?? 502, incoming.headers);
          incoming.on("data", count);
          incoming.on("error", () => response.destroy());
          incoming.pipe(response);
        },
      );
      outgoing.on("error", fail);
      request.on("data", count);
      request.pipe(outgoing);
      response.once("close", () => outgoing.destroy());
    }, fail);
  };

  // The loopback side is open to every user of this machine, hence the token.
  const expected = Buffer.from(`Basic ${Buffer.from(`build:${token}`).toString("base64")}`);
  const authorized = (request: IncomingMessage): boolean => {
    const given = Buffer.from(request.headers["proxy-authorization"] ?? "");
    return given.length === expected.length && timingSafeEqual(given, expected);
  };

  const make = (open: boolean): Server => {
    const server = createServer((request, response) => {
      if (open || authorized(request)) return forward(request, response);
      response.writeHead(407, { "proxy-authenticate": 'Basic realm="offing"' }).end();
    });
    server.on("connection", keep);
    server.on("connect", (request, client, head) => {
      if (open || authorized(request)) return tunnel(request, client, head);
      client.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="offing"\r\nContent-Length: 0\r\n\r\n',
      );
    });
    server.on("clientError", (_error, socket) => socket.destroy());
    return server;
  };

  // A socket path ends at 107 bytes, so it does not live in the data folder.
  const folder = await mkdtemp(join(tmpdir(), "offing-"));
  const socket = join(folder, "proxy");
  const servers = [make(true), make(false)] as const;
  try {
    servers[0].listen(socket);
    await once(servers[0], "listening");
    // The folder is 0700; the socket alone may be bound into a sandbox of another uid.
    await chmod(socket, 0o777);
    servers[1].listen(0, "127.0.0.1");
    await once(servers[1], "listening");
  } catch (error) {
    for (const server of servers) server.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const address = servers[1].address();
  const port = typeof address === "object" && address ? address.port : 0;

  return {
    socket,
    url: `http://build:${token}@127.0.0.1:${port}`,
    async close() {
      const closed = servers.map((server) => new Promise<void>((done) => server.close(() => done())));
      for (const open of sockets) open.destroy();
      await Promise.all(closed);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function splitAuthority(authority: string): { host: string; port: number } {
  const at = authority.lastIndexOf(":");
  return { host: authority.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(authority.slice(at + 1)) };
}

function refusalHead(status: number, text: string): string {
  const reason = status === 403 ? "Forbidden" : "Bad Gateway";
  const length = Buffer.byteLength(text) + 1;
  return `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`;
}
