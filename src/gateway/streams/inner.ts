import type { IncomingHttpHeaders, OutgoingHttpHeader, OutgoingHttpHeaders } from "node:http";
import { SseReader, SseTooLarge } from "../../lib/sse.ts";
import { errorText, ownCode } from "../../mcp/errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Incoming, Outgoing } from "../http.ts";
import type { Turn } from "../turn.ts";

/** The same steps for a message that came within another request: it is judged by itself and leaves a record of its own. */
export interface Within {
  post(outer: Turn, req: InnerRequest, res: InnerResponse, body: Buffer): Exchange;
  /** Opens the stream on which the server speaks first. */
  get(outer: Turn, req: InnerRequest, res: InnerResponse): void;
  /** Ends the session that the request names; leaves no record. */
  end(outer: Turn, req: InnerRequest, res: InnerResponse): void;
}

/** A request that came within another; its body is given with it. */
export class InnerRequest implements Incoming {
  readonly method: string;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: string[];
  readonly complete = true;
  readonly socket: Incoming["socket"];

  constructor(outer: Incoming, method: string, headers: IncomingHttpHeaders) {
    this.method = method;
    // Another process that takes it over meets it as a request of its own.
    this.url = outer.url?.replace(/\/(?:sse|messages)(?:\?.*)?$/, "/mcp");
    this.headers = headers;
    this.rawHeaders = Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
    this.socket = outer.socket;
  }

  on(): void {}
  pause(): void {}
  resume(): void {}
}

/** Takes what is answered to an inner request. */
export interface Receiver {
  /** One JSON-RPC message, or the JSON of an answer without one. False: its reader is slow. */
  message(json: string, response: InnerResponse): boolean;
  /** The answer is whole, or was broken off. */
  done(response: InnerResponse): void;
}

/** Where the answer to an inner request goes: message by message to its receiver. */
export class InnerResponse implements Outgoing {
  headersSent = false;
  writableEnded = false;
  writableFinished = false;
  readonly writableLength = 0;
  destroyed = false;
  status = 0;
  headers: OutgoingHttpHeaders = {};
  /** What its receiver keeps of it. */
  text = "";
  /** The exchange that it answers, once that has begun. */
  x: Exchange | undefined = undefined;
  readonly #receiver: Receiver;
  readonly #reader: Pick<Outgoing, "once">;
  readonly #messageBytes: number;
  #events: SseReader | undefined;
  #chunks: Buffer[] = [];
  #size = 0;
  #flowing = true;
  #onClose: (() => void)[] = [];

  /** `reader`: what tells of `drain`. */
  constructor(receiver: Receiver, reader: Pick<Outgoing, "once">, messageBytes: number) {
    this.#receiver = receiver;
    this.#reader = reader;
    this.#messageBytes = messageBytes;
  }

  setHeader(name: string, value: string): void {
    this.headers[name] = value;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders | OutgoingHttpHeader[] = {}): void {
    this.headersSent = true;
    this.status = status;
    this.headers = Array.isArray(headers) ? fromList(headers) : headers;
    if (!String(this.headers["content-type"]).startsWith("text/event-stream")) return;
    this.#events = new SseReader(this.#messageBytes, ({ data }) => {
      if (data !== "" && !this.#receiver.message(data, this)) this.#flowing = false;
    });
  }

  flushHeaders(): void {}

  write(chunk: Buffer | string, encoding?: BufferEncoding): boolean {
    if (this.writableEnded) return true;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    this.#flowing = true;
    try {
      this.#take(bytes);
    } catch (error) {
      if (!(error instanceof SseTooLarge)) throw error;
      this.#tooLarge();
    }
    return this.#flowing;
  }

  end(chunk?: Buffer | string, encoding?: BufferEncoding): void {
    if (this.writableEnded) return;
    if (chunk !== undefined) this.write(chunk, encoding);
    if (this.destroyed) return;
    this.writableEnded = true;
    this.writableFinished = true;
    if (this.#chunks.length > 0) this.#receiver.message(Buffer.concat(this.#chunks).toString(), this);
    this.#close();
  }

  /** Its reader is gone. */
  destroy(): void {
    if (this.writableEnded) return;
    this.writableEnded = true;
    this.destroyed = true;
    this.#close();
  }

  on(event: "close" | "error" | "drain", listener: () => void): void {
    if (event === "close") this.#onClose.push(listener);
  }

  once(event: "close" | "drain", listener: () => void): void {
    if (event === "close") this.#onClose.push(listener);
    else this.#reader.once("drain", listener);
  }

  #take(bytes: Buffer): void {
    if (this.#events !== undefined) return this.#events.push(bytes);
    this.#size += bytes.length;
    if (this.#size > this.#messageBytes) return this.#tooLarge();
    this.#chunks.push(bytes);
  }

  #tooLarge(): void {
    const message = `The server's answer holds a message of more than ${this.#messageBytes} bytes, which cannot be carried here. Ask for it by a request of its own.`;
    this.#receiver.message(errorText(this.x?.id ?? null, ownCode(502), message), this);
    this.destroy();
  }

  #close(): void {
    this.#chunks = [];
    this.#receiver.done(this);
    const listeners = this.#onClose;
    this.#onClose = [];
    // As with a socket, whoever ends it is done first.
    process.nextTick(() => {
      for (const listener of listeners) listener();
    });
  }
}

function fromList(list: readonly OutgoingHttpHeader[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (let i = 0; i + 1 < list.length; i += 2) headers[String(list[i])] = list[i + 1];
  return headers;
}
