import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { JsonObject } from "../../mcp/envelope.ts";
import type { Upstream } from "../../snapshot/snapshot.ts";
import { EraWatch, mayContradict } from "../exchange/era-watch.ts";
import { refusedHead } from "../exchange/external.ts";
import type { Held, Leases } from "../exchange/leases.ts";
import { Refusal } from "../refusal.ts";
import { formOf } from "../exchange/relay.ts";
import { AnswerReader } from "./answer-reader.ts";
import { unstarted } from "../exchange/unstarted.ts";
import { brokenOff, withoutResponse } from "./refusals.ts";
import type { Sweeper, Swept } from "./sweeper.ts";

/** Told of what an upstream says to one message, in order; `ended` or `failed` comes once, and last. */
export interface Hearer {
  /** The message leaves now, to this instance. `coldMs`: how long that had to wait for it. */
  sent(held: Held, coldMs: number): void;
  heard(message: JsonObject): void;
  /** The answer is over; whether a response was in it, the hearer knows. */
  ended(): void;
  failed(refusal: Refusal): void;
  /** The upstream answered 404. True: the session is lost, and nothing more of this call is heard. */
  lost?(): boolean;
}

export interface CallOptions {
  readonly upstream: Upstream;
  readonly headers: string[];
  readonly body: string;
  readonly method: string;
  /** Milliseconds that the upstream may work, waking included. */
  readonly windowMs: number;
  /** Bytes of one message at most. */
  readonly messageBytes: number;
  /** Whether a stream that ends early can be asked to go on: in the handshake era. */
  readonly resumes: boolean;
}

/** What a finished answer gets to end its connection in good order. */
const DRAIN_MS = 5_000;
/** Before a stream is asked to go on, where it does not say when; and at least. */
const RETRY_MS = 1_000;
const LEAST_RETRY_MS = 100;

/**
 * One message to an upstream, and what it says to it: messages, whether they
 * come as JSON or as events. Bound to no exchange: it lasts as long as its
 * window, and the window rests while a person is waited for.
 */
export class UpstreamCall implements Dispatcher.DispatchHandler, Swept {
  readonly #leases: Leases;
  readonly #sweeper: Sweeper;
  readonly #options: Omit<CallOptions, "body">;
  readonly #hearer: Hearer;
  readonly #reader: AnswerReader;
  /** Until it has left, and cannot be sent once more. */
  #body: string | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #held: Held | undefined;
  #watch: EraWatch | undefined;
  #retried = false;
  /** Its stream ended early, and is asked to go on; monotonic milliseconds at which that is due. */
  #resuming = false;
  #resumeAt = Infinity;
  #silent = false;
  #over = false;
  /** Monotonic milliseconds: since when the window runs; undefined while it rests. */
  #since: number | undefined;
  #used = 0;

  constructor(leases: Leases, sweeper: Sweeper, options: CallOptions, hearer: Hearer) {
    this.#leases = leases;
    this.#sweeper = sweeper;
    const { body, ...rest } = options;
    this.#options = rest;
    this.#hearer = hearer;
    this.#body = body;
    this.#reader = new AnswerReader(options.messageBytes, (message) => this.#read(message));
  }

  start(): void {
    this.#since = this.#sweeper.now();
    this.#sweeper.add(this);
    this.#acquire();
  }

  /** Milliseconds of its window that are used up. */
  get usedMs(): number {
    return this.#used + (this.#since === undefined ? 0 : this.#sweeper.now() - this.#since);
  }

  /** The instance that works on it. */
  get held(): Held | undefined {
    return this.#held;
  }

  /** A person is waited for: the window rests. */
  rest(): void {
    this.#used = this.usedMs;
    this.#since = undefined;
  }

  /** The window goes on. */
  goOn(): void {
    this.#since ??= this.#sweeper.now();
  }

  /** The reader is slow: nothing more is read until `resume`. */
  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  /** Everything was heard; the answer may end by itself, unheard. */
  release(): void {
    this.#silent = true;
    this.#used = this.#options.windowMs - DRAIN_MS;
    this.goOn();
    this.resume();
  }

  /** Ends it at once, unheard. */
  abort(reason: string): void {
    this.#silent = true;
    this.#finish(new Error(reason));
  }

  sweep(now: number): void {
    if (now >= this.#resumeAt) this.#goOnReading();
    if (this.#over || this.#since === undefined || this.usedMs < this.#options.windowMs) return;
    const { windowMs } = this.#options;
    const waking = this.#held === undefined;
    this.#stop(
      new Refusal(
        waking ? "runtime" : "upstream",
        504,
        waking
          ? `The server did not start within the request window of ${windowMs} ms. \`offing logs\` shows why.`
          : `The server did not finish within the request window of ${windowMs} ms. The request may have taken effect.`,
        { outcome: "timeout" },
      ),
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error("The call is over."));
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || status < 200) return;
    this.#body = undefined;
    if (this.#resuming) {
      if (status === 200 && formOf(status, headers) === "events") return;
      return this.#stop(withoutResponse());
    }
    if (status === 404 && !this.#silent && this.#hearer.lost?.() === true) {
      return this.abort("The session is lost.");
    }
    const external = this.#options.upstream.kind === "external";
    if (external) this.#heed(status);
    const refusal =
      (external ? refusedHead(status, headers) : undefined) ?? this.#reader.start(status, headers);
    if (refusal !== undefined) this.#stop(refusal);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over || this.#silent) return;
    this.#watch?.hear(chunk);
    const refusal = this.#reader.push(chunk);
    if (refusal !== undefined) this.#stop(refusal);
  }

  onResponseEnd(): void {
    if (this.#over || this.#comesBack()) return;
    const { upstream } = this.#options;
    if (upstream.kind === "external" && this.#watch?.contradicts() === true) this.#leases.doubt(upstream);
    const refusal = this.#silent ? undefined : this.#reader.end();
    if (refusal !== undefined) return this.#stop(refusal);
    const silent = this.#silent;
    this.#finish();
    if (!silent) this.#hearer.ended();
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#over || this.#comesBack()) return;
    const unsent = this.#controller === undefined;
    const held = this.#held;
    if (unsent && held !== undefined) {
      // It never left: a second instance cannot do the work twice.
      this.#leases.drop(this.#options.upstream, held, error);
      if (!this.#retried) {
        this.#retried = true;
        this.#leases.end(held);
        this.#held = undefined;
        return this.#acquire();
      }
    }
    this.#stop(brokenOff(this.#options.upstream, unsent, held?.lost === true, error));
  }

  #acquire(): void {
    let taken: Held | Promise<Held>;
    try {
      taken = this.#leases.take(this.#options.upstream);
    } catch (error) {
      return this.#stop(unstarted(error));
    }
    if (!(taken instanceof Promise)) return this.#send(taken, 0);
    const before = this.#sweeper.now();
    taken.then(
      (held) => {
        if (!this.#over) this.#send(held, this.#sweeper.now() - before);
      },
      (error: unknown) => {
        if (!this.#over) this.#stop(unstarted(error));
      },
    );
  }

  #send(held: Held, coldMs: number): void {
    this.#held = held;
    this.#leases.begin(held);
    this.#hearer.sent(held, coldMs);
    const { dispatcher, origin, path } = held.dial;
    const { headers } = this.#options;
    dispatcher.dispatch({ origin, path, method: "POST", headers, body: this.#body ?? null }, this);
  }

  /** A stream that ends before its response can be asked for the rest (2025-11-25, basic/transports). */
  #comesBack(): boolean {
    const from = this.#options.resumes && !this.#silent ? this.#reader.resumption : undefined;
    if (from === undefined || this.#held?.lost === true) return false;
    this.#resuming = true;
    this.#controller = undefined;
    this.#reader.restart();
    this.#resumeAt = this.#sweeper.now() + Math.max(LEAST_RETRY_MS, from.afterMs ?? RETRY_MS);
    return true;
  }

  #goOnReading(): void {
    this.#resumeAt = Infinity;
    const { dispatcher, origin, path } = this.#held!.dial;
    const headers = [...this.#options.headers, "last-event-id", this.#reader.resumption!.id];
    dispatcher.dispatch({ origin, path, method: "GET", headers }, this);
  }

  /** An answer of an external server may say that it speaks another era. */
  #heed(status: number): void {
    const { headers, method } = this.#options;
    if (!mayContradict(method, status)) return;
    this.#watch = new EraWatch(headers.includes("mcp-method") ? "stateless" : "handshake", method, status);
  }

  #read(message: JsonObject): void {
    if (!this.#silent) this.#hearer.heard(message);
  }

  #stop(refusal: Refusal): void {
    const silent = this.#silent;
    this.#finish(refusal);
    if (!silent) this.#hearer.failed(refusal);
  }

  /** `reason`: why it must be broken off. */
  #finish(reason?: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.rest();
    this.#resumeAt = Infinity;
    this.#sweeper.remove(this);
    if (this.#held !== undefined) this.#leases.end(this.#held);
    if (reason !== undefined) this.#controller?.abort(reason);
  }
}
