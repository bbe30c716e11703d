import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Posted {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
  readonly error?: { readonly code: number };
}

/** A server of HTTP+SSE on a loopback port that does as its test says. */
export class ScriptedSse implements AsyncDisposable {
  /** The first event's data. */
  endpoint = "/messages?session=1";
  /** The first event's name. */
  first = "endpoint";
  /** What it does with a message; besides, it agrees to `initialize` and lists no tools. */
  take: (message: Posted) => void = () => {};
  /** How a POST is answered. */
  status = 202;
  /** What answers in its place; true: it did. */
  instead: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  /** Messages that were posted, and the requests' text. */
  readonly posted: Posted[] = [];
  readonly texts: string[] = [];
  readonly streams = new Set<ServerResponse>();
  readonly #http: Server;
  #waiting: (() => void)[] = [];

  constructor(http: Server) {
    this.#http = http;
  }

  static async start(): Promise<ScriptedSse> {
    const http = createServer();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const server = new ScriptedSse(http);
    http.on("request", (req: IncomingMessage, res: ServerResponse) => {
      void server.#serve(req, res);
    });
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.origin}/sse`;
  }

  /** Sends the text of a message on every stream, cut into lines as it is given. */
  say(message: string | object): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    const data = text.split("\n").map((line) => `data: ${line}\r\n`);
    for (const stream of this.streams) stream.write(`event: message\r\n${data.join("")}\r\n`);
  }

  /** Resolves once this holds; looked at after everything that happens here. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((wake) => this.#waiting.push(wake));
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.instead?.(req, res) === true) return this.#wake();
    if (req.method === "GET") {
      this.streams.add(res);
      res.on("close", () => {
        this.streams.delete(res);
        this.#wake();
      });
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(`event: ${this.first}\r\ndata: ${this.endpoint}\r\n\r\n`);
    } else if (req.url === "/sse") {
      res.writeHead(405).end();
    } else {
      let text = "";
      for await (const chunk of req) text += String(chunk);
      const message = JSON.parse(text) as Posted;
      this.posted.push(message);
      this.texts.push(text);
      res.writeHead(message.method === "initialize" ? 202 : this.status).end("Accepted");
      if (message.method === "initialize") {
        const result = {
          protocolVersion: "2024-11-05",
          serverInfo: { name: "scripted", version: "1" },
          capabilities: { tools: {} },
        };
        this.say({ jsonrpc: "2.0", id: message.id, result });
      }
      if (message.method === "tools/list") {
        this.say({ jsonrpc: "2.0", id: message.id, result: { tools: [] } });
      }
      this.take(message);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((done) => this.#http.close(done));
  }
}
