import type { JsonObject } from "../../mcp/envelope.ts";
import { isObject } from "../../mcp/envelope.ts";
import { statelessStatus } from "../../mcp/errors.ts";
import type { Exchange, Flow } from "../exchange/exchange.ts";
import type { Held } from "../exchange/leases.ts";
import type { Refusal } from "../refusal.ts";
import { noteMessage } from "../exchange/outcome.ts";
import { failAnswer } from "../exchange/relay.ts";
import { EventStream } from "../streams/event-stream.ts";
import { takesEvents } from "../streams/reply.ts";
import type { Streams } from "../streams/streams.ts";

/** Told what becomes of an answer's client. */
export interface AnswerOwner {
  /** The client left before its answer: that cancels its request (2026-07-28, basic/patterns/cancellation). */
  left(): void;
  /** A slow client reads again. */
  drained(): void;
}

/** The answer to one request of a stateless client: JSON when the response is all there is, else an event stream. */
export class StatelessAnswer implements Flow {
  readonly x: Exchange;
  readonly #streams: Streams;
  readonly #owner: AnswerOwner;
  readonly #since: number;
  #events: EventStream | undefined;
  #over = false;

  constructor(x: Exchange, streams: Streams, owner: AnswerOwner) {
    this.x = x;
    this.#streams = streams;
    this.#owner = owner;
    this.#since = x.elapsed();
    // Whoever works on the call keeps the time.
    x.begin(this, Infinity);
    x.upstreamBegins();
  }

  sent(held: Held, coldMs: number): void {
    this.x.record.instance = held.instance;
    this.x.record.t_cold += coldMs;
  }

  /** A notification. False: the client is slow, and `drained` tells when it reads again. */
  send(message: JsonObject): boolean {
    if (this.#over) return true;
    this.#events ??= new EventStream(this.x, this.#streams);
    if (this.#events.send(JSON.stringify(message))) return true;
    this.x.res.once("drain", () => this.#owner.drained());
    return false;
  }

  respond(message: JsonObject): void {
    if (this.#over) return;
    noteMessage(this.x, message);
    const text = JSON.stringify(message);
    if (this.#events === undefined) this.x.answer(statusOf(message), text);
    else {
      this.#events.end(text);
      // Clients hang up once they have their response.
      this.x.delivered = !this.x.clientGone;
    }
    this.#end();
  }

  fail(refusal: Refusal): void {
    if (this.#over) return;
    failAnswer(this.x, refusal, this.#events !== undefined);
    this.#end();
  }

  leave(): void {
    if (this.#over) return;
    this.#end();
    this.#owner.left();
  }

  expire(): void {
    // It has no deadline.
  }

  /** An answer that takes long becomes a stream, so that nobody on the way takes the connection for dead. */
  tick(): void {
    const { x } = this;
    if (this.#events !== undefined || x.elapsed() - this.#since < this.#streams.limits.keepAliveMs) return;
    if (!this.#over && takesEvents(x)) this.#events = new EventStream(x, this.#streams);
  }

  #end(): void {
    this.#over = true;
    this.x.record.t_upstream = this.x.elapsed() - this.#since;
    this.x.over();
    this.x.upstreamDone();
  }
}

function statusOf({ error }: JsonObject): number {
  return isObject(error) && typeof error["code"] === "number" ? statelessStatus(error["code"]) : 200;
}
