import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { responseOf } from "./scene.ts";

/** One block of an event stream: its fields, or a comment. */
export interface Block {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
  readonly comment?: string;
}

/** An event stream as a client receives it, block by block. */
export class Reading implements AsyncDisposable {
  readonly req: ClientRequest;
  readonly response: IncomingMessage;
  /** Blocks as they came, comments too. */
  readonly blocks: Block[] = [];
  #text = "";
  #ended = false;
  #wake: (() => void) | undefined;
  #read = 0;

  constructor(req: ClientRequest, response: IncomingMessage) {
    this.req = req;
    this.response = response;
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => this.#take(chunk));
    response.on("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  static async of(req: ClientRequest): Promise<Reading> {
    return new Reading(req, await responseOf(req));
  }

  get status(): number | undefined {
    return this.response.statusCode;
  }

  /** The next block that has an id or data; undefined at the end. */
  async next(): Promise<Block | undefined> {
    for (;;) {
      const block = this.blocks[this.#read];
      if (block !== undefined) {
        this.#read++;
        if (block.comment === undefined) return block;
      } else if (this.#ended) return;
      else await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  /** All that is still to come. */
  async rest(): Promise<Block[]> {
    const blocks: Block[] = [];
    for (let block = await this.next(); block !== undefined; block = await this.next()) blocks.push(block);
    return blocks;
  }

  /** Resolves when the stream is over, however it ended. */
  async over(): Promise<void> {
    while (!this.#ended) await new Promise<void>((wake) => (this.#wake = wake));
  }

  #take(chunk: string): void {
    this.#text += chunk;
    for (let end = this.#text.indexOf("\n\n"); end >= 0; end = this.#text.indexOf("\n\n")) {
      this.blocks.push(blockOf(this.#text.slice(0, end)));
      this.#text = this.#text.slice(end + 2);
    }
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.req.destroy();
  }
}

function blockOf(text: string): Block {
  const block: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    block[colon === 0 ? "comment" : line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return block;
}

/** A GET of an endpoint. */
export function get(url: string, key: string, headers: Record<string, string> = {}): ClientRequest {
  const req = request(url, {
    method: "GET",
    agent: false,
    headers: { accept: "text/event-stream", authorization: `Bearer ${key}`, ...headers },
  });
  req.on("error", () => {});
  req.end();
  return req;
}

/** The headers of a client that reads both forms of answers. */
export const reads = { accept: "application/json, text/event-stream" };
