import type { IncomingHttpHeaders } from "node:http";
import { soleEvent, type SseEvent, SseReader, SseTooLarge } from "../../lib/sse.ts";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { glance, GLANCE_BYTES } from "../../mcp/glance.ts";
import { parseBounded } from "../../mcp/lossless.ts";
import type { Rewrite } from "../../mcp/translate.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Sink } from "../exchange/forward.ts";
import type { Unfinished } from "../exchange/ask-again.ts";
import { Refusal } from "../refusal.ts";
import { isPlain, noteOutcome } from "../exchange/outcome.ts";
import { formOf, Relay } from "../exchange/relay.ts";
import type { Services } from "../services.ts";
import type { OpenSession } from "../sessions/session.ts";
import { beginsWithResponse } from "./first-event.ts";
import { noMessage } from "../exchange/upstream-message.ts";
import { Answer } from "./reply.ts";

const EVENTS: IncomingHttpHeaders = { "content-type": "text/event-stream" };

/**
 * The answer of a handshake upstream to a request of a handshake session. A
 * response alone passes unread, whatever form it has; what precedes one, or
 * comes late, makes the answer a stream of ours that can be resumed.
 */
export class Passing implements Sink {
  readonly #x: Exchange;
  readonly #answer: Answer;
  readonly #services: Services;
  /** What becomes of notifications and requests; without, they pass. */
  readonly #rewrite: Rewrite | undefined;
  #relay: Relay | undefined;
  #reader: SseReader | undefined;
  /** Bytes that do not tell yet what they begin, or JSON that becomes an event. */
  #held: Buffer[] = [];
  #size = 0;
  #form: "json" | "events" | "empty" = "empty";
  #status = 0;
  #flowing = true;
  #refusal: Refusal | undefined;

  constructor(x: Exchange, session: OpenSession, services: Services, rewrite?: Rewrite) {
    this.#x = x;
    this.#answer = new Answer(x, session, services);
    this.#services = services;
    this.#rewrite = rewrite;
  }

  sent(): void {
    this.#answer.wait();
  }

  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    const form = formOf(status, headers);
    if (form instanceof Refusal) return form;
    if (this.#reader !== undefined) {
      // The upstream goes on with a stream that it had let go.
      if (form !== "events") return noResponse();
      this.#reader.restart();
      return;
    }
    this.#form = form;
    this.#status = status;
    if (form === "events") {
      this.#answer.waitAnyway();
      return;
    }
    if (form === "json" && this.#answer.streaming) return;
    this.#x.callOff();
    return this.#pass(status, headers);
  }

  data(chunk: Buffer): boolean | Refusal {
    if (this.#relay !== undefined) return this.#relay.data(chunk);
    if (this.#reader !== undefined) return this.#feed(chunk);
    if (this.#form === "events" && this.#size === 0 && !this.#answer.streaming) {
      const text = chunk.toString("latin1");
      const data = isPlain(text) ? soleEvent(text) : undefined;
      if (data !== undefined && glance(data) === "response") {
        this.#x.callOff();
        return this.#pass(this.#status, EVENTS) ?? this.#relay!.whole(text);
      }
    }
    this.#held.push(chunk);
    this.#size += chunk.length;
    if (this.#form === "events") return this.#decide();
    return this.#size > this.#services.limits.messageBytes ? this.#tooLarge() : true;
  }

  end(): Refusal | undefined {
    if (this.#relay !== undefined) return this.#relay.end();
    if (this.#form === "json") this.#respondLate(Buffer.concat(this.#held).toString());
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#answer.answered) return;
    if (!this.#services.withdrawals.has(this.#x)) return noResponse();
    this.#answer.withdraw(new Refusal("protocol", 200, "The request was cancelled."));
  }

  tick(): void {
    this.#relay?.tick();
  }

  isAnswered(): boolean {
    return this.#relay?.isAnswered() ?? this.#answer.answered;
  }

  unfinished(): Unfinished | undefined {
    const reader = this.#reader;
    if (reader?.lastId === undefined || this.#answer.answered || this.#refusal !== undefined) return;
    if (this.#services.withdrawals.has(this.#x)) return;
    // What waits for the next connection may take long.
    this.#answer.waitAnyway();
    return { lastEventId: reader.lastId, retryMs: reader.retryMs };
  }

  fail(refusal: Refusal): void {
    if (this.#relay !== undefined) this.#relay.fail(refusal);
    else this.#answer.fail(refusal);
  }

  /** An event stream shows its nature with its first event. */
  #decide(): boolean | Refusal {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    const response = beginsWithResponse(bytes);
    if (response === undefined) {
      this.#held = [bytes];
      return true;
    }
    this.#held = [];
    if (response && !this.#answer.streaming) {
      this.#x.callOff();
      return this.#pass(this.#status, EVENTS) ?? this.#relay!.data(bytes);
    }
    this.#reader = new SseReader(this.#services.limits.messageBytes, (event) => this.#read(event));
    return this.#feed(bytes);
  }

  #pass(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    this.#relay = new Relay(this.#x, true);
    return this.#relay.start(status, headers);
  }

  #feed(chunk: Buffer): boolean | Refusal {
    this.#flowing = true;
    try {
      this.#reader!.push(chunk);
    } catch (error) {
      if (error instanceof SseTooLarge) return this.#tooLarge();
      throw error;
    }
    return this.#refusal ?? this.#flowing;
  }

  #read({ data }: SseEvent): void {
    // An event without data only primes its reader to come back.
    if (data === "" || this.#answer.answered || this.#refusal !== undefined) return;
    let kind = glance(data.slice(0, GLANCE_BYTES));
    if (kind === "response") return this.#respond(data);
    const message = parse(data);
    if (message === undefined) {
      this.#refusal = noMessage();
      return;
    }
    kind ??= message["method"] === undefined ? "response" : "call";
    if (kind === "response") return this.#respond(data);
    const made = this.#rewrite?.(message);
    if (made?.kind === "drop") return;
    const json =
      made?.kind === "pass" && made.message !== message ? JSON.stringify(made.message) : line(data);
    if (!this.#answer.sendText(json, "id" in message)) this.#flowing = false;
  }

  /** JSON that comes when the answer is a stream already; only a response has a place on it. */
  #respondLate(json: string): void {
    const message = parse(json);
    if (message === undefined || !("result" in message || "error" in message)) {
      this.#refusal = new Refusal(
        "upstream",
        502,
        `The server answered with HTTP ${this.#status} and no JSON-RPC response.`,
        { because: `upstream answered ${this.#status}` },
      );
    } else if (message["id"] === this.#x.id) this.#respond(json);
    else this.#respond(JSON.stringify({ ...message, id: this.#x.id }));
  }

  #respond(json: string): void {
    const text = line(json);
    noteOutcome(this.#x, Buffer.from(text), false);
    this.#answer.respondText(text, this.#status);
  }

  #tooLarge(): Refusal {
    return new Refusal(
      "limit",
      502,
      `The server's answer holds a message of more than ${this.#services.limits.messageBytes} bytes, which cannot be carried on a stream that can be resumed.`,
    );
  }
}

/** JSON in one line, as an event of our own has it; within JSON strings there are no line ends. */
function line(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replace(/[\r\n]+/g, " ") : json;
}

function parse(text: string): JsonObject | undefined {
  try {
    const value = parseBounded(text);
    return isObject(value) ? value : undefined;
  } catch {
    return;
  }
}

function noResponse(): Refusal {
  return new Refusal("upstream", 502, "The server ended its answer without a response.", {
    outcome: "upstream_gone",
  });
}
