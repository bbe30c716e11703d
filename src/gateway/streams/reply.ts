import { type JsonObject } from "../../mcp/envelope.ts";
import { needsOfMethod } from "../../mcp/methods.ts";
import type { Exchange, Patience } from "../exchange/exchange.ts";
import { noteMessage } from "../exchange/outcome.ts";
import type { Refusal } from "../refusal.ts";
import type { Ground } from "../ground.ts";
import type { OpenSession } from "../sessions/session.ts";
import { EventStream } from "./event-stream.ts";
import type { Stream } from "./stream.ts";

/** The answer to one request of a handshake session. */
export interface Reply {
  /** A notification or a request of the server, before the response. */
  send(message: JsonObject): void;
  respond(message: JsonObject): void;
  /** Ends it with an error. */
  fail(refusal: Refusal): void;
  /** Ends it without a response where it can: its client has cancelled the request. */
  withdraw(refusal: Refusal): void;
}

/** Since this revision clients resume by themselves, and are primed for it. */
const PRIMED_SINCE = "2025-11-25";

/** The answer to the request of `x`, which has been passed on just now. */
export function openReply(x: Exchange, session: OpenSession, services: Ground): Reply {
  const answer = new Answer(x, session, services);
  answer.wait();
  return answer;
}

/**
 * Plain JSON when the response is all there is; else an event stream that can
 * be resumed (2025-11-25, basic/transports): its client's leaving is not the
 * end of it.
 */
export class Answer implements Reply, Patience {
  readonly #x: Exchange;
  readonly #session: OpenSession;
  readonly #services: Ground;
  #out: EventStream | undefined;
  #stream: Stream | undefined;
  #answered = false;

  constructor(x: Exchange, session: OpenSession, services: Ground) {
    this.#x = x;
    this.#session = session;
    this.#services = services;
  }

  /** Whether the response was passed on, or an error in its place. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Whether it is an event stream by now. */
  get streaming(): boolean {
    return this.#out !== undefined;
  }

  /** From here on a client that can resume gets its stream when the answer takes long. */
  wait(): void {
    if (primed(this.#session) && takesEvents(this.#x)) this.waitAnyway();
  }

  /** The same for any client: its upstream has chosen an event stream already. */
  waitAnyway(): void {
    if (!this.streaming && !this.#x.inner) this.#x.remind(this, this.#services.limits.patienceMs);
  }

  over(): void {
    this.begin();
  }

  /** Makes it an event stream, if it is none yet. */
  begin(): void {
    const x = this.#x;
    // Nobody who has left before there was a stream can come back to it.
    if (this.streaming || this.#answered || x.res.headersSent || x.clientGone) return;
    x.callOff();
    const { streams } = this.#services;
    if (x.inner) {
      this.#out = new EventStream(x, streams);
      return;
    }
    this.#stream = streams.begin(this.#session, x.id, needsOfMethod(x.record.method));
    this.#out = new EventStream(x, streams, this.#stream);
    this.#stream.begin(this.#out, primed(this.#session));
  }

  send(message: JsonObject): void {
    this.sendText(JSON.stringify(message), "id" in message);
  }

  /** `matters`: it is a request. False: the client is slow, wait if you can. */
  sendText(json: string, matters: boolean): boolean {
    if (this.#answered) return true;
    this.begin();
    return this.#stream?.send(json, matters) ?? this.#out?.send(json) ?? true;
  }

  respond(message: JsonObject): void {
    noteMessage(this.#x, message);
    this.respondText(JSON.stringify(message), 200);
  }

  /** `status`: of an answer that is nothing but this response. */
  respondText(json: string, status: number): void {
    if (this.#answered) return;
    this.#answered = true;
    const x = this.#x;
    x.callOff();
    if (!this.streaming) return x.answer(status, json);
    x.delivered = !x.clientGone;
    if (this.#stream !== undefined) this.#stream.end(json);
    else this.#out?.end(json);
  }

  fail(refusal: Refusal): void {
    if (this.#answered) return;
    const x = this.#x;
    if (!this.streaming) {
      this.#answered = true;
      x.callOff();
      return x.refuse(refusal);
    }
    x.note(refusal);
    x.record.http_status = 200;
    this.respondText(refusal.text(x.id, x.record.id), 200);
  }

  /**
   * A request that was cancelled has no response (2025-11-25,
   * basic/utilities/cancellation), and the only form of an answer without one
   * is a stream that ends. Who takes JSON alone gets the error: it must be
   * answered with something, and ignores it.
   */
  withdraw(refusal: Refusal): void {
    if (this.#answered) return;
    const x = this.#x;
    if (!this.streaming && !takesEvents(x)) return this.fail(refusal);
    this.#answered = true;
    x.callOff();
    x.note(refusal);
    x.record.http_status = 200;
    if (this.#stream !== undefined) return this.#stream.end();
    // Without a priming event, so that nobody comes back for more.
    this.#out ??= new EventStream(x, this.#services.streams);
    this.#out.end();
  }
}

/** Whether a session's client resumes streams by itself. */
export function primed(session: OpenSession): boolean {
  return session.claims.revision >= PRIMED_SINCE;
}

/** Whether the client said that it reads event streams. */
export function takesEvents(x: Exchange): boolean {
  return /\btext\/event-stream\b/i.test(x.req.headers.accept ?? "");
}
