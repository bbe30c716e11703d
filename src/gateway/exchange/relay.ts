import type { IncomingHttpHeaders } from "node:http";
import { SseCounter, sseMessage } from "../../lib/sse.ts";
import { glance, GLANCE_BYTES } from "../../mcp/glance.ts";
import { learnFrom } from "../era.ts";
import { EVENTS_HEAD } from "./events-head.ts";
import type { Exchange, Patience } from "./exchange.ts";
import type { Sink } from "./forward.ts";
import { sendTogether } from "./outbox.ts";
import { isPlain, noteOutcome } from "./outcome.ts";
import { Refusal } from "../refusal.ts";
import { keepAliveComment, Rest } from "./keep-alive.ts";

/** What an upstream's answer is, by its head; a refusal for what may not be passed on. */
export function formOf(status: number, headers: IncomingHttpHeaders): "json" | "events" | "empty" | Refusal {
  const type = String(headers["content-type"] ?? "");
  if (status === 401 || status === 403 || status === 407 || (status >= 300 && status < 400)) {
    return new Refusal(
      "upstream",
      502,
      `The server's own code answered with HTTP ${status}. Offing has authenticated the caller already; switch off the server's own authentication.`,
      { because: `upstream answered ${status}` },
    );
  }
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    return new Refusal(
      "upstream",
      502,
      `The server's own code compressed its answer (${String(encoding).slice(0, 40)}), which nobody asked for. Switch off its compression.`,
      { because: "upstream answered compressed" },
    );
  }
  if (type === "application/json" || /^application\/json\s*(;|$)/i.test(type)) return "json";
  if (status === 200 && /^text\/event-stream\s*(;|$)/i.test(type)) return "events";
  if (status === 202 || status === 204 || (status === 200 && headers["content-length"] === "0"))
    return "empty";
  return new Refusal(
    "upstream",
    502,
    `The server answered with HTTP ${status} and ${type === "" ? "no content type" : type.slice(0, 80)}; only JSON and event streams pass.`,
    { because: `upstream answered ${status} ${type.slice(0, 80)}` },
  );
}

/** Tells a failure in whatever way the answer's state leaves open. */
export function failAnswer(x: Exchange, refusal: Refusal, events: boolean): void {
  if (!x.res.headersSent) return x.refuse(refusal);
  const status = x.record.http_status;
  x.note(refusal);
  x.record.http_status = status;
  if (x.clientGone) return;
  // The blank line ends an event that was cut off.
  if (events) x.res.end(`\n\n${sseMessage(refusal.text(x.id, x.record.id))}`);
  else x.res.destroy();
}

/** Passes bytes from upstream to client unread; the way of everything that need not change. */
export class Relay implements Sink, Patience {
  readonly #x: Exchange;
  readonly #known: boolean;
  #counter: Watch | undefined;
  #form: "json" | "events" | "empty" = "empty";
  #rest: Rest | undefined;
  #length = -1;
  #status = 0;
  #last: Buffer | undefined;
  #whole = false;
  /** Something came when the client was gone. */
  #missed = false;

  /** `known`: an event stream begins with its response. */
  constructor(x: Exchange, known = false) {
    this.#x = x;
    this.#known = known;
  }

  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    const form = formOf(status, headers);
    if (form instanceof Refusal) return form;
    if (form === "empty" && this.#x.id !== null) {
      return new Refusal("upstream", 502, "The server ended its answer without a response.", {
        outcome: "upstream_gone",
      });
    }
    this.#form = form;
    this.#status = status;
    if (form === "events") this.#counter = new Watch(this.#known);
    this.#x.record.http_status = status;
    if (this.#x.clientGone) return;
    if (form === "events") {
      // Most often the first event is here already, and takes the head along; where it is not, the next tick sends it.
      this.#x.remind(this, 0);
    } else if (form === "json") {
      const length = headers["content-length"];
      this.#length = length === undefined ? -1 : Number(length);
      const head = ["content-type", "application/json", "x-content-type-options", "nosniff"];
      head.push("cache-control", "no-store");
      if (length !== undefined) head.push("content-length", length);
      this.#x.res.writeHead(status, head);
    }
    return;
  }

  data(chunk: Buffer): boolean {
    const x = this.#x;
    if (this.#form === "empty" || this.#whole) return true;
    const entire = this.#form === "json" && chunk.length === this.#length;
    const text = entire ? chunk.toString("latin1") : "";
    if (entire && isPlain(text)) return this.whole(text);
    x.record.response_bytes += chunk.length;
    if (x.clientGone) this.#missed = true;
    if (x.choice !== undefined) learnFrom(x.choice, chunk);
    if (this.#form === "events") {
      this.#counter!.push(chunk);
      this.#last = chunk;
      if (x.clientGone) return true;
      if (this.#counter!.certain) return this.#endWith(chunk.toString("latin1"));
      this.#begin();
    } else if (entire) {
      this.#last = chunk;
      if (!x.clientGone) x.res.end(text, "latin1");
      return true;
    }
    return x.clientGone || x.res.write(chunk);
  }

  /** All of the answer at once, and a plain result. `text`: its bytes as characters, which Node joins to the head in one plain write. */
  whole(text: string): true {
    const x = this.#x;
    this.#whole = true;
    x.record.response_bytes += text.length;
    if (this.#form === "events") {
      x.record.stream_events = this.#counter!.count + 1;
      this.#beginWith(text.length);
    }
    if (!x.clientGone) sendTogether(x, text);
    return true;
  }

  /** The head of a stream whose first event is late. */
  over(): void {
    this.#begin();
    if (!this.#x.clientGone) this.#x.res.flushHeaders();
  }

  #begin(): void {
    const { res } = this.#x;
    if (res.headersSent || this.#x.clientGone) return;
    this.#x.callOff();
    res.writeHead(200, EVENTS_HEAD);
  }

  /** Nothing may follow a response, so its end is the answer's: head, event and end in one plain write where they can be. */
  #endWith(text: string): true {
    const { res } = this.#x;
    if (res.writableEnded) return true;
    this.#beginWith(text.length);
    res.end(text, "latin1");
    return true;
  }

  /** The head of a stream of which all is there. */
  #beginWith(length: number): void {
    const { res } = this.#x;
    if (res.headersSent || this.#x.clientGone) return;
    this.#x.callOff();
    res.writeHead(200, [...EVENTS_HEAD, "content-length", String(length)]);
  }

  end(): Refusal | undefined {
    const x = this.#x;
    if (this.#whole) return;
    if (this.#counter !== undefined) {
      x.record.stream_events = this.#counter.count;
      if (!this.#counter.answered && x.id !== null) {
        return new Refusal("upstream", 502, "The server ended its answer without a response.", {
          outcome: "upstream_gone",
        });
      }
    }
    if (this.#last !== undefined) noteOutcome(x, this.#last, this.#form === "events");
    // Clients hang up once they have their response; the end of its stream tells them nothing.
    x.delivered = this.#form === "events" && this.#last !== undefined && !this.#missed;
    if (x.clientGone || x.res.writableEnded) return;
    if (this.#form === "events") this.#begin();
    if (this.#form === "empty") x.answerEmpty(this.#status === 200 ? 200 : 202);
    else x.res.end();
    return;
  }

  tick(): void {
    const x = this.#x;
    if (this.#counter === undefined || x.clientGone || !x.res.headersSent || x.res.writableEnded) return;
    this.#rest ??= new Rest();
    if (this.#rest.due(x) && this.#counter.between) x.res.write(keepAliveComment);
  }

  isAnswered(): boolean {
    return this.#whole || (this.#counter?.certain ?? false);
  }

  fail(refusal: Refusal): void {
    // What comes after the whole answer is not the client's any more.
    if (this.isAnswered()) return void this.end();
    if (this.#counter !== undefined) this.#x.record.stream_events = this.#counter.count;
    failAnswer(this.#x, refusal, this.#form === "events");
  }
}

/** Sees in passing whether a stream held a response. */
class Watch extends SseCounter {
  /** Its first event is known to be the response, which needs only be whole. */
  readonly #known: boolean;
  #seen = false;
  #certain = false;

  constructor(known: boolean) {
    super(known ? 0 : GLANCE_BYTES);
    this.#known = known;
  }

  get answered(): boolean {
    return this.#known ? this.count > 0 : this.#seen;
  }

  get certain(): boolean {
    return this.#known ? this.count > 0 : this.#certain;
  }

  protected override ended(head: string): void {
    // What does not tell at a glance is given the benefit of the doubt; an event without data tells nothing.
    const data = head.slice(5).trimStart();
    const kind = data === "" ? "call" : glance(data);
    if (kind !== "call") this.#seen = true;
    if (kind === "response") this.#certain = true;
  }
}
