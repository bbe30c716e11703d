import type { IncomingHttpHeaders } from "node:http";
import { SseReader, SseTooLarge } from "../../lib/sse.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { Refusal } from "../refusal.ts";
import { formOf } from "../exchange/relay.ts";
import { noMessage, upstreamMessage } from "../exchange/upstream-message.ts";

/** Reads an upstream's answer as messages, whether it is JSON or events; each of at most `limit` bytes. */
export class AnswerReader {
  readonly #limit: number;
  readonly #heard: (message: JsonObject) => void;
  readonly #events: SseReader;
  #form: "json" | "events" | "empty" = "empty";
  #chunks: Buffer[] = [];
  #size = 0;
  #refusal: Refusal | undefined;

  constructor(limit: number, heard: (message: JsonObject) => void) {
    this.#limit = limit;
    this.#heard = heard;
    this.#events = new SseReader(limit, (event) => this.#read(event.data));
  }

  /** The answer's head. A refusal: it is none that can be read. */
  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    const form = formOf(status, headers);
    if (form instanceof Refusal) return form;
    this.#form = form;
    return;
  }

  push(chunk: Buffer): Refusal | undefined {
    if (this.#form === "events") {
      try {
        this.#events.push(chunk);
      } catch (error) {
        if (!(error instanceof SseTooLarge)) throw error;
        return this.#tooLarge();
      }
    } else {
      this.#size += chunk.length;
      if (this.#size > this.#limit) return this.#tooLarge();
      this.#chunks.push(chunk);
    }
    return this.#refusal;
  }

  end(): Refusal | undefined {
    if (this.#form === "json") this.#read(Buffer.concat(this.#chunks).toString());
    this.#chunks = [];
    return this.#refusal;
  }

  /** Where a stream that ended early is to be asked to go on, and after how many milliseconds if it said so. */
  get resumption(): { readonly id: string; readonly afterMs: number | undefined } | undefined {
    const { lastId, retryMs } = this.#events;
    return this.#form !== "events" || lastId === undefined ? undefined : { id: lastId, afterMs: retryMs };
  }

  /** The same stream begins anew on another connection. */
  restart(): void {
    this.#events.restart();
  }

  #read(text: string): void {
    // An event with an id and empty data only primes a client to resume (2025-11-25, basic/transports).
    if (this.#refusal !== undefined || text === "") return;
    const message = upstreamMessage(text);
    if (message !== undefined) return this.#heard(message);
    this.#refusal = noMessage();
  }

  #tooLarge(): Refusal {
    return new Refusal(
      "limit",
      502,
      `The server's answer holds a message of more than ${this.#limit} bytes, which cannot be translated for this client.`,
    );
  }
}
