import type { IncomingHttpHeaders } from "node:http";
import { SseReader, sseMessage, SseTooLarge } from "../../lib/sse.ts";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { statelessStatus } from "../../mcp/errors.ts";
import type { Rewrite } from "../../mcp/translate.ts";
import { startEvents } from "./events-head.ts";
import type { Exchange } from "./exchange.ts";
import type { Sink } from "./forward.ts";
import type { Unfinished } from "./ask-again.ts";
import { Refusal } from "../refusal.ts";
import { noteMessage } from "./outcome.ts";
import { failAnswer, formOf } from "./relay.ts";
import { keepAliveComment, Rest } from "./keep-alive.ts";
import { noMessage, upstreamMessage } from "./upstream-message.ts";

export interface RewriterOptions {
  readonly rewrite: Rewrite;
  /** Bytes of one message at most; a message must be held whole to be changed. */
  readonly messageBytes: number;
  /** Whether the status of an error follows the stateless era's rules. */
  readonly stateless: boolean;
  /** Headers for an answer that is the response itself. */
  headers?(response: JsonObject): Readonly<Record<string, string>>;
}

/**
 * Reads each message of an upstream's answer and passes on what `rewrite`
 * makes of it. An answer that is one response becomes JSON, whatever form it
 * came in; anything that precedes the response makes it an event stream.
 */
export class Rewriter implements Sink {
  readonly #x: Exchange;
  readonly #options: RewriterOptions;
  readonly #events: SseReader;
  #form: "json" | "events" | "empty" = "empty";
  #status = 0;
  #chunks: Buffer[] = [];
  #size = 0;
  #streaming = false;
  #rest: Rest | undefined;
  #answered = false;
  #flowing = true;
  #refusal: Refusal | undefined;

  constructor(x: Exchange, options: RewriterOptions) {
    this.#x = x;
    this.#options = options;
    this.#events = new SseReader(options.messageBytes, (event) => this.#read(event.data));
  }

  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    const form = formOf(status, headers);
    if (form instanceof Refusal) return form;
    // A stream that its upstream had let go begins anew.
    this.#events.restart();
    this.#form = form;
    this.#status = status;
    return;
  }

  data(chunk: Buffer): boolean | Refusal {
    this.#flowing = true;
    if (this.#form === "events") {
      try {
        this.#events.push(chunk);
      } catch (error) {
        if (error instanceof SseTooLarge) return this.#tooLarge();
        throw error;
      }
    } else {
      this.#size += chunk.length;
      if (this.#size > this.#options.messageBytes) return this.#tooLarge();
      this.#chunks.push(chunk);
    }
    return this.#refusal ?? this.#flowing;
  }

  tick(): void {
    const x = this.#x;
    if (!this.#streaming || this.#answered || x.clientGone) return;
    this.#rest ??= new Rest();
    if (this.#rest.due(x)) x.res.write(keepAliveComment);
  }

  isAnswered(): boolean {
    return this.#answered && this.#form === "events";
  }

  unfinished(): Unfinished | undefined {
    const { lastId, retryMs } = this.#events;
    if (this.#form !== "events" || lastId === undefined || this.#answered || this.#refusal !== undefined)
      return;
    return { lastEventId: lastId, retryMs };
  }

  end(): Refusal | undefined {
    if (this.#form === "json") this.#read(Buffer.concat(this.#chunks).toString());
    if (this.#refusal !== undefined) return this.#refusal;
    if (!this.#answered) {
      return new Refusal("upstream", 502, "The server ended its answer without a response.", {
        outcome: "upstream_gone",
      });
    }
    return;
  }

  fail(refusal: Refusal): void {
    // A response that went out whole is not taken back.
    if (!this.#answered) failAnswer(this.#x, refusal, this.#streaming);
  }

  #read(text: string): void {
    if (this.#answered || this.#refusal !== undefined) return;
    // An event with an id and empty data only primes a client to resume (2025-11-25, basic/transports).
    if (text === "" && this.#form === "events") return;
    const message = upstreamMessage(text);
    if (message === undefined) {
      this.#refusal = noMessage();
      return;
    }
    const made = this.#options.rewrite(message);
    if (made.kind === "impossible") {
      this.#refusal = new Refusal("protocol", made.error?.status ?? 502, made.reason, made.error);
    } else if (made.kind === "pass") {
      if (made.message["method"] === undefined) this.#respond(made.message);
      else this.#stream(JSON.stringify(made.message));
    }
  }

  #respond(message: JsonObject): void {
    const text = JSON.stringify(message);
    this.#answered = true;
    noteMessage(this.#x, message);
    if (this.#streaming) {
      this.#stream(text);
      if (!this.#x.clientGone) this.#x.res.end();
      return;
    }
    this.#x.answer(this.#statusOf(message), text, this.#options.headers?.(message));
  }

  #statusOf(message: JsonObject): number {
    const error = message["error"];
    if (!this.#options.stateless || !isObject(error) || typeof error["code"] !== "number") {
      return this.#status;
    }
    return statelessStatus(error["code"]);
  }

  #stream(json: string): void {
    const x = this.#x;
    if (!this.#streaming && !x.clientGone) startEvents(x.res);
    this.#streaming = true;
    x.record.http_status = 200;
    const event = sseMessage(json);
    x.record.stream_events++;
    x.record.response_bytes += Buffer.byteLength(event);
    if (!x.clientGone && !x.res.write(event)) this.#flowing = false;
  }

  #tooLarge(): Refusal {
    return new Refusal(
      "limit",
      502,
      `The server's answer holds a message of more than ${this.#options.messageBytes} bytes, which cannot be translated for this client.`,
    );
  }
}
