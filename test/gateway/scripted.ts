import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { temporaryFolder } from "./harness.ts";

/** A request as a scripted upstream received it. */
export interface Received {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly text: string;
  readonly message: { id?: string | number; method?: string; params?: Record<string, unknown> };
}

/** An upstream on a unix socket that does exactly what a test tells it, and keeps what it received. */
export class ScriptedUpstream implements AsyncDisposable {
  readonly address: string;
  readonly received: Received[] = [];
  readonly server: Server;
  readonly #folder: string;

  constructor(server: Server, folder: string, address: string) {
    this.server = server;
    this.#folder = folder;
    this.address = address;
  }

  static async start(script: (received: Received) => void | Promise<void>): Promise<ScriptedUpstream> {
    const folder = temporaryFolder();
    const path = join(folder, "s");
    const server = createServer(async (req, res) => {
      res.on("error", () => {});
      let text = "";
      for await (const chunk of req) text += chunk;
      const received = { req, res, text, message: text === "" ? {} : JSON.parse(text) };
      upstream.received.push(received);
      await script(received);
    });
    const upstream = new ScriptedUpstream(server, folder, `unix:${path}`);
    server.listen(path);
    await once(server, "listening");
    return upstream;
  }

  async connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Answers like a small MCP server: `initialize`, notifications, and a result for the rest. */
export function wellBehaved({ req, res, message }: Received): void {
  if (message.id === undefined) return void res.writeHead(202).end();
  const result =
    message.method === "initialize"
      ? {
          protocolVersion: message.params!["protocolVersion"],
          capabilities: { tools: {} },
          serverInfo: { name: "scripted", version: "1" },
        }
      : { content: [{ type: "text", text: `session ${String(req.headers["mcp-session-id"])}` }] };
  json(res, { jsonrpc: "2.0", id: message.id, result });
}

export function json(res: ServerResponse, value: unknown, status = 200): void {
  const text = JSON.stringify(value);
  res.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  res.end(text);
}

/** The headers and body of a request of the stateless era. */
export function statelessCall(
  method: string,
  params: Record<string, unknown> = {},
  meta: Record<string, unknown> = {},
): { headers: Record<string, string>; body: string } {
  const name = params["name"] ?? params["uri"];
  return {
    headers: {
      "content-type": "application/json",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 7,
      method,
      params: {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {},
          ...meta,
        },
      },
    }),
  };
}

/** Opens a handshake session; answers its id. */
export async function openSession(url: string, key: string): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
    }),
  });
  const session = response.headers.get("mcp-session-id");
  if (response.status !== 200 || session === null) {
    throw new Error(`initialize: ${response.status} ${await response.text()}`);
  }
  await response.arrayBuffer();
  return session;
}
