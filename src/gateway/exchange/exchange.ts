import type { Incoming, Outgoing } from "../http.ts";
import type { Clock } from "../../lib/clock.ts";
import type { EraChoice } from "../era.ts";
import type { RequestId } from "../../mcp/envelope.ts";
import { newRecord } from "./new-record.ts";
import type { Records, RequestRecord } from "../ports.ts";
import type { Refusal } from "../refusal.ts";

const NO_BODY = Buffer.alloc(0);

/**
 * What is told when the client leaves or the time is over. An object and not
 * a closure per event: V8 lets closures in these fields hold finished
 * requests through young collections, at a quarter of all CPU.
 */
export interface Flow {
  /** The client left before its answer was whole. */
  leave(): void;
  /** The deadline has passed. */
  expire(): void;
  /** Called by the gateway's ticks; for what comes due before the deadline. */
  tick?(): void;
}

/** What one principal has under way in this process, this request among it. */
export interface Tally {
  requests: number;
  streams: number;
}

/** What is told of the end of the client's side, whoever is at work on the request. */
export interface Watcher {
  /** The answer was sent whole, or its reader is gone. */
  closed(): void;
}

/** What acts when an answer takes long. */
export interface Patience {
  over(): void;
}

/**
 * One HTTP request on its way, with the record that it leaves. The record is
 * written exactly once: when the client's side is closed and nothing is
 * under way upstream any more.
 */
export class Exchange {
  readonly req: Incoming;
  readonly res: Outgoing;
  readonly record: RequestRecord;
  readonly started: number;
  /** Its place among the live exchanges. */
  slot = -1;
  /** The id to answer under; null until the body is read, and for what has none. */
  id: RequestId | null = null;
  body: Buffer = NO_BODY;
  /** Who is at work on the request. */
  flow: Flow | undefined = undefined;
  /** Whose stream the answer is, if it is one. */
  watcher: Watcher | undefined = undefined;
  /** It is one message of a batch or of an HTTP+SSE stream: its answer goes to that, not to a socket. */
  inner = false;
  /** The id under which the server knows the session of a stateless client, where there is one. */
  virtual: string | undefined = undefined;
  /** In which era it went upstream, where there was a choice. */
  choice: EraChoice | undefined = undefined;
  /** Milliseconds of rest after which a stream carries a comment. */
  keepAliveMs = 15_000;
  clientGone = false;
  /** Where it is counted, while it is. */
  tally: Tally | undefined = undefined;
  /** It is a stream that stands until somebody ends it, not a request with an answer. */
  stands = false;
  /** All of the answer was passed on, though the client left before its end was told. */
  delivered = false;
  /** It came from another gateway process, so that it goes to none. */
  handedOver = false;
  readonly #clock: Clock;
  readonly #records: Records;
  readonly #onSettled: (exchange: Exchange) => void;
  #deadline = Infinity;
  #patience: Patience | undefined = undefined;
  #patienceUntil = Infinity;
  #lapAt: number;
  #closed = false;
  #upstream = false;
  #written = false;
  #discarded = false;

  constructor(
    req: Incoming,
    res: Outgoing,
    clock: Clock,
    records: Records,
    onSettled: (exchange: Exchange) => void,
  ) {
    this.req = req;
    this.res = res;
    this.#clock = clock;
    this.#records = records;
    this.#onSettled = onSettled;
    this.started = clock.monotonic();
    this.#lapAt = this.started;
    const at = clock.now();
    this.record = newRecord(at, req);
    res.on("close", () => {
      this.#closed = true;
      if (!res.writableFinished) {
        this.clientGone = true;
        this.flow?.leave();
      }
      this.watcher?.closed();
      this.#settle();
    });
    // Without a listener a broken client socket would end the process.
    res.on("error", ignore);
  }

  /** It is one message within `outer`: who sent it, and to whom, is known. */
  within(outer: Exchange): void {
    this.inner = true;
    const { record } = this;
    const { organization, server, deployment, artifact, scope, transport } = outer.record;
    const { principal_kind, principal, auth_kind, key, ip, decision, t_auth } = outer.record;
    Object.assign(record, { organization, server, deployment, artifact, scope, transport });
    Object.assign(record, { principal_kind, principal, auth_kind, key, ip, decision, t_auth });
  }

  /** Milliseconds since the request came in. */
  elapsed(): number {
    return this.#clock.monotonic() - this.started;
  }

  /** Milliseconds since the last lap, the first one since the request came in. */
  lap(): number {
    const before = this.#lapAt;
    this.#lapAt = this.#clock.monotonic();
    return this.#lapAt - before;
  }

  /**
   * Puts `flow` to work until the request is `ms` old, by the gateway's ticks.
   * Not a timer of its own: cleared timers hold on to one another, so that
   * finished requests survive young collections, at a third of the CPU.
   */
  begin(flow: Flow, ms: number): void {
    this.flow = flow;
    this.#deadline = ms;
  }

  /** Its work is done: it is told nothing more. */
  over(): void {
    this.flow = undefined;
    this.#deadline = Infinity;
    this.callOff();
  }

  /** Tells `patience` once, unless called off, when `ms` from now have passed; as exact as the gateway's ticks. */
  remind(patience: Patience, ms: number): void {
    this.#patience = patience;
    this.#patienceUntil = this.elapsed() + ms;
  }

  callOff(): void {
    this.#patience = undefined;
    this.#patienceUntil = Infinity;
  }

  tick(): void {
    const elapsed = this.elapsed();
    if (elapsed >= this.#deadline) {
      this.#deadline = Infinity;
      this.flow?.expire();
    } else if (elapsed >= this.#patienceUntil) {
      const patience = this.#patience;
      this.callOff();
      patience?.over();
    }
    this.flow?.tick?.();
  }

  /** From here on the record waits for `upstreamDone`. */
  upstreamBegins(): void {
    this.#upstream = true;
  }

  upstreamDone(): void {
    this.#upstream = false;
    this.#settle();
  }

  /** Another process writes the record of this request. */
  discard(): void {
    this.#discarded = true;
  }

  /** Answers with JSON text, unless an answer has begun or the client is gone. */
  answer(status: number, text: string, headers?: Readonly<Record<string, string>>): void {
    this.record.http_status = status;
    if (this.res.headersSent || this.clientGone) return;
    const bytes = Buffer.byteLength(text);
    this.record.response_bytes += bytes;
    this.res.writeHead(status, {
      "content-type": "application/json",
      "content-length": bytes,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
      ...(this.#abandonsBody() ? { connection: "close" } : {}),
    });
    this.res.end(text);
  }

  /** Answers with a status and no body. */
  answerEmpty(status: number, headers?: Readonly<Record<string, string>>): void {
    this.record.http_status = status;
    if (this.res.headersSent || this.clientGone) return;
    this.res.writeHead(status, {
      // 204 has none (RFC 9110, 8.6).
      ...(status === 204 ? {} : { "content-length": 0 }),
      "x-content-type-options": "nosniff",
      ...headers,
    });
    this.res.end();
  }

  /** Notes a refusal and answers with it. */
  refuse(refusal: Refusal): void {
    this.note(refusal);
    this.answer(refusal.status, refusal.text(this.id, this.record.id), refusal.detail.headers);
  }

  /** Writes into the record why and where the request stopped. */
  note(refusal: Refusal): void {
    const { record } = this;
    record.boundary = refusal.boundary;
    record.error = refusal.message;
    record.because ??= refusal.detail.because ?? null;
    record.jsonrpc_code = refusal.code;
    record.http_status = refusal.status;
    record.is_error = true;
    if (refusal.detail.outcome !== undefined) record.outcome = refusal.detail.outcome;
  }

  /** A large body that nobody reads is not worth the connection it comes on. */
  #abandonsBody(): boolean {
    if (this.req.complete) return false;
    const { "content-length": length, "transfer-encoding": coding } = this.req.headers;
    return length === undefined ? coding !== undefined : Number(length) > 65_536;
  }

  #settle(): void {
    if (this.#written || !this.#closed || this.#upstream) return;
    this.#written = true;
    // A standing stream has no other end than its client's leaving.
    const lost = this.clientGone && !this.delivered && !this.stands;
    if (lost && this.record.outcome === "complete") this.record.outcome = "client_gone";
    this.record.t_total = this.elapsed();
    // A call that waits for its client may hold on to the exchange that it came in.
    this.body = NO_BODY;
    this.#onSettled(this);
    if (!this.#discarded) this.#records.write(this.record);
  }
}

function ignore(): void {}
