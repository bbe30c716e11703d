import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { vi } from "vitest";
import { SseReader } from "../../src/lib/sse.ts";

export interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
}

/** An event stream as it comes over the wire, without any SDK. */
export class RawStream implements AsyncDisposable {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly messages: Message[] = [];
  /** All bytes, as text. */
  text = "";
  /** The server has ended it. */
  ended = false;
  readonly #req: ClientRequest;
  #waiting: (() => void)[] = [];

  constructor(req: ClientRequest, response: IncomingMessage) {
    this.#req = req;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    const events = new SseReader(1 << 20, ({ data }) => {
      if (data !== "") this.messages.push(JSON.parse(data) as Message);
    });
    response.on("data", (chunk: Buffer) => {
      this.text += chunk.toString();
      events.push(chunk);
      this.#wake();
    });
    response.on("error", () => {});
    response.on("close", () => {
      this.ended = response.complete;
      this.#wake();
    });
  }

  static async open(
    url: string,
    key: string,
    given: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<RawStream> {
    const req = request(url, {
      method: given.method ?? "POST",
      agent: false,
      headers: {
        accept: "application/json, text/event-stream",
        authorization: `Bearer ${key}`,
        ...given.headers,
      },
    });
    req.on("error", () => {});
    req.end(given.body);
    const [response] = (await once(req, "response")) as [IncomingMessage];
    return new RawStream(req, response);
  }

  /** Resolves when what was asked for holds of it. */
  async until(holds: (stream: this) => boolean): Promise<this> {
    while (!holds(this)) await new Promise<void>((wake) => this.#waiting.push(wake));
    return this;
  }

  /** The messages, when as many have come. */
  async first(count: number): Promise<Message[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages.slice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#req.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Resolves when something holds; asked again and again, since nothing tells of it. */
export function until(holds: () => boolean | Promise<boolean>): Promise<unknown> {
  return vi.waitUntil(holds, { timeout: 45_000, interval: 10 });
}

/** A `subscriptions/listen` of a stateless client. */
export function listenRequest(
  notifications: unknown,
  id: string | number = 7,
  capabilities: Record<string, unknown> = {},
): { headers: Record<string, string>; body: string } {
  return {
    headers: {
      "content-type": "application/json",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "subscriptions/listen",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id,
      method: "subscriptions/listen",
      params: {
        notifications,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": capabilities,
        },
      },
    }),
  };
}

/** The GET of a handshake session. */
export function standing(session: string): { method: string; headers: Record<string, string> } {
  return { method: "GET", headers: { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" } };
}
