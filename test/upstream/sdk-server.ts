import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

/** A request as the server received it. */
export interface Seen {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
  /** As JSON; undefined without a body. */
  readonly message:
    | { readonly id?: unknown; readonly method?: string; readonly params?: Record<string, unknown> }
    | undefined;
}

/**
 * A real server of the official SDK's handshake line on a loopback port, which
 * keeps what it received and can lose its sessions as a restart would.
 */
export class SdkServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** How often the tool `bump` ran. */
  bumps = 0;
  /** Streams open here on which it may speak first. */
  streams = 0;
  /** How the next requests are answered, in the SDK's place; undefined: they are not. */
  instead:
    | ((seen: Seen) => { status: number; body?: string; headers?: Record<string, string> } | undefined)
    | undefined;
  readonly port: number;
  readonly #http: Server;
  readonly #sessions: boolean;
  readonly #transports = new Map<string, StreamableHTTPServerTransport>();

  constructor(http: Server, sessions: boolean) {
    this.#http = http;
    this.port = (http.address() as AddressInfo).port;
    this.#sessions = sessions;
  }

  /** `sessions`: whether it gives session ids. */
  static async start(options: { sessions?: boolean } = {}): Promise<SdkServer> {
    const http = createServer();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const server = new SdkServer(http, options.sessions ?? true);
    http.on("request", (req, res) => {
      server.#serve(req, res).catch((error: unknown) => {
        res.destroy(error instanceof Error ? error : undefined);
      });
    });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/mcp`;
  }

  /** The sessions that are open here. */
  get open(): readonly string[] {
    return [...this.#transports.keys()];
  }

  /** What a restart does. */
  forget(): void {
    for (const transport of this.#transports.values()) void transport.close();
    this.#transports.clear();
  }

  /** The requests of one JSON-RPC method, in their order. */
  of(method: string): Seen[] {
    return this.seen.filter(({ message }) => message?.method === method);
  }

  async #serve(
    req: IncomingMessage,
    res: Parameters<StreamableHTTPServerTransport["handleRequest"]>[1],
  ): Promise<void> {
    let text = "";
    for await (const chunk of req) text += String(chunk);
    const message = text === "" ? undefined : (JSON.parse(text) as Seen["message"]);
    const seen = { method: req.method!, headers: req.headers, raw: req.rawHeaders, message };
    this.seen.push(seen);
    const instead = this.instead?.(seen);
    if (instead !== undefined) {
      res.writeHead(instead.status, { "content-type": "application/json", ...instead.headers });
      return void res.end(instead.body ?? "");
    }
    if (req.method === "GET") {
      this.streams++;
      res.once("close", () => this.streams--);
    }
    const given = req.headers["mcp-session-id"];
    let transport = typeof given === "string" ? this.#transports.get(given) : undefined;
    if (transport === undefined) {
      if (this.#sessions && message?.method !== "initialize") {
        res.writeHead(given === undefined ? 400 : 404, { "content-type": "application/json" });
        const error = { code: given === undefined ? -32000 : -32001, message: "Session not found" };
        return void res.end(JSON.stringify({ jsonrpc: "2.0", error, id: null }));
      }
      transport = new StreamableHTTPServerTransport({
        ...(this.#sessions ? { sessionIdGenerator: () => randomUUID() } : {}),
        onsessioninitialized: (id) => void this.#transports.set(id, transport!),
        onsessionclosed: (id) => void this.#transports.delete(id),
      });
      await this.#tools().connect(transport as never);
    }
    await transport.handleRequest(req, res, message);
  }

  #tools(): McpServer {
    const server = new McpServer(
      { name: "elsewhere", version: "7" },
      { capabilities: { logging: {} }, instructions: "Be brief." },
    );
    server.registerTool(
      "echo",
      {
        description: "Says it again.",
        inputSchema: { text: z.string() },
        annotations: { readOnlyHint: true },
      },
      ({ text }) => ({ content: [{ type: "text", text }] }),
    );
    server.registerTool("bump", { description: "Counts." }, () => {
      this.bumps++;
      return { content: [{ type: "text", text: String(this.bumps) }] };
    });
    server.registerTool("ask", { description: "Asks the caller." }, async () => {
      const answer = await server.server.elicitInput({
        message: "Which?",
        requestedSchema: { type: "object", properties: { which: { type: "string" } } },
      });
      return { content: [{ type: "text", text: JSON.stringify(answer) }] };
    });
    server.registerResource("note", "note://one", {}, (uri) => ({
      contents: [{ uri: uri.href, text: "one" }],
    }));
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#http.listening) return;
    this.forget();
    this.#http.closeAllConnections();
    await new Promise((done) => this.#http.close(done));
  }
}
