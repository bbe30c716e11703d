import type { IncomingHttpHeaders } from "node:http";
import { soleEvent, SseReader, sseMessage } from "../../lib/sse.ts";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { statelessStatus } from "../../mcp/errors.ts";
import { glance } from "../../mcp/glance.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Sink } from "../exchange/forward.ts";
import type { Refusal } from "../refusal.ts";
import { isPlain, noteMessage } from "../exchange/outcome.ts";
import { formOf, Relay } from "../exchange/relay.ts";
import { maySayPublic, PrivateScope } from "../streams/private-scope.ts";
import { upstreamMessage } from "../exchange/upstream-message.ts";

/** What asks for input or names a task is not larger, where its client cannot be asked for anything. */
export const LOOKED_INTO_BYTES = 64 * 1024;

const MARKS = ['"input_required"', '"task"'].map((mark) => Buffer.from(mark));

/**
 * Passes an answer of a stateless upstream unread, save for what holds a state
 * or a name that only means something here: `change` makes of such a result
 * what the client gets. Looked into are answers of `mostBytes`; what escapes a
 * look is of no use to its client, whose retry is refused. `scoped`: the answer
 * says who may share it, and none is but its principal's, however large it is.
 */
export class StatelessRelay implements Sink {
  readonly #x: Exchange;
  readonly #change: (response: JsonObject) => JsonObject;
  readonly #relay: Relay;
  readonly #mostBytes: number;
  #form: "json" | "events" | "empty" = "empty";
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #length = -1;
  /** What came of an answer, or of an event, that is not whole yet. */
  #held: Buffer[] = [];
  #size = 0;
  /** Passing by what need not be looked into, or is too large for it. */
  #passing = false;
  readonly #scope: PrivateScope | undefined;

  constructor(x: Exchange, mostBytes: number, change: (response: JsonObject) => JsonObject, scoped = false) {
    this.#x = x;
    this.#mostBytes = mostBytes;
    this.#change = change;
    this.#relay = new Relay(x);
    this.#scope = scoped ? new PrivateScope() : undefined;
  }

  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    const form = formOf(status, headers);
    if (form !== "json") {
      if (form === "events") this.#form = form;
      return this.#relay.start(status, headers);
    }
    this.#form = form;
    this.#status = status;
    this.#headers = headers;
    this.#length = Number(headers["content-length"] ?? -1);
    return;
  }

  data(chunk: Buffer): boolean | Refusal {
    if (this.#form === "events") return this.#events(chunk);
    if (this.#form !== "json" || this.#passing) return this.#pass(chunk);
    if (chunk.length === this.#length) {
      const text = chunk.toString("latin1");
      if (isPlain(text) && !this.#isShared(text)) {
        this.#passing = true;
        return this.#relay.start(this.#status, this.#headers) ?? this.#relay.whole(text);
      }
    }
    this.#hold(chunk);
    const whole = this.#size === this.#length;
    if (this.#size <= this.#mostBytes && (!whole || marked(this.#whole()))) return true;
    return this.#begin(this.#take(), whole);
  }

  end(): Refusal | undefined {
    const held = this.#size === 0 ? undefined : this.#take();
    if (this.#form === "json" && !this.#passing) {
      const made = held !== undefined && marked(held) ? this.#made(held.toString()) : undefined;
      if (made !== undefined) {
        this.#x.answer(this.#statusOf(made), JSON.stringify(made));
        return;
      }
      const begun = this.#begin(held, true);
      if (typeof begun !== "boolean") return begun;
    } else if (held !== undefined) this.#pass(held);
    const rest = this.#scope?.end();
    if (rest !== undefined && rest.length > 0) this.#relay.data(rest);
    return this.#relay.end();
  }

  tick(): void {
    this.#relay.tick();
  }

  isAnswered(): boolean {
    return this.#relay.isAnswered();
  }

  fail(refusal: Refusal): void {
    this.#relay.fail(refusal);
  }

  /** The head of an answer in JSON, and what there is of it: `whole`, or some more comes. */
  #begin(bytes: Buffer | undefined, whole: boolean): boolean | Refusal {
    this.#passing = true;
    if (this.#scope === undefined || bytes === undefined) {
      return (
        this.#relay.start(this.#status, this.#headers) ?? (bytes === undefined || this.#relay.data(bytes))
      );
    }
    const made = whole ? this.#scope.whole(bytes) : this.#scope.push(bytes);
    // How long it becomes is known of the whole only.
    const { "content-length": length, ...rest } = this.#headers;
    const known = whole && length !== undefined ? { ...rest, "content-length": String(made.length) } : rest;
    return this.#relay.start(this.#status, known) ?? (made.length === 0 || this.#relay.data(made));
  }

  #pass(bytes: Buffer): boolean {
    const made = this.#scope === undefined ? bytes : this.#scope.push(bytes);
    return made.length === 0 || this.#relay.data(made);
  }

  #isShared(text: string): boolean {
    return this.#scope !== undefined && maySayPublic(text);
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#size += chunk.length;
  }

  #whole(): Buffer {
    if (this.#held.length > 1) this.#held = [Buffer.concat(this.#held)];
    return this.#held[0]!;
  }

  #take(): Buffer {
    const whole = this.#whole();
    this.#held = [];
    this.#size = 0;
    return whole;
  }

  /** Passes whole events on, and keeps the beginning of the next. */
  #events(chunk: Buffer): boolean {
    if (this.#size === 0 && !this.#passing) {
      const text = chunk.toString("latin1");
      const data = isPlain(text) && !this.#isShared(text) ? soleEvent(text) : undefined;
      if (data !== undefined && glance(data) === "response") return this.#relay.whole(text);
    }
    // An end may begin in what is held already.
    const before = this.#held.at(-1)?.subarray(-3);
    const ends = endOfEvents(before === undefined ? chunk : Buffer.concat([before, chunk])) > 0;
    this.#hold(chunk);
    if (!ends) {
      if (!this.#passing && this.#size <= this.#mostBytes) return true;
      this.#passing = true;
      return this.#pass(this.#take());
    }
    const bytes = this.#take();
    const end = endOfEvents(bytes);
    const whole = bytes.subarray(0, end);
    if (end < bytes.length) this.#hold(bytes.subarray(end));
    const looked = !this.#passing && marked(whole);
    this.#passing = false;
    return this.#pass(looked ? this.#rewritten(whole) : whole);
  }

  #rewritten(events: Buffer): Buffer {
    const texts: string[] = [];
    const reader = new SseReader(events.length, ({ data }) => {
      const made = this.#made(data);
      texts.push(sseMessage(made === undefined ? data : JSON.stringify(made)));
    });
    reader.push(events);
    return Buffer.from(texts.join(""));
  }

  /** The client's form of a result that is not complete; undefined for anything else. */
  #made(text: string): JsonObject | undefined {
    const message = upstreamMessage(text);
    if (message === undefined || !isObject(message["result"])) return;
    const type = message["result"]["resultType"];
    if (type !== "input_required" && type !== "task") return;
    const made = this.#change(message);
    noteMessage(this.#x, made);
    return made;
  }

  #statusOf(message: JsonObject): number {
    const { error } = message;
    return isObject(error) && typeof error["code"] === "number"
      ? statelessStatus(error["code"])
      : this.#status;
  }
}

function marked(bytes: Buffer): boolean {
  return MARKS.some((mark) => bytes.includes(mark));
}

/** Where the last whole event of a stream's piece ends; 0 where none does. */
function endOfEvents(bytes: Buffer): number {
  const lf = bytes.lastIndexOf("\n\n");
  const crlf = bytes.lastIndexOf("\r\n\r\n");
  return Math.max(lf < 0 ? 0 : lf + 2, crlf < 0 ? 0 : crlf + 4);
}
