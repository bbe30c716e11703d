import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { Upstream } from "../snapshot/snapshot.ts";
import type { Exchange, Flow } from "./exchange.ts";
import type { Held, Leases } from "./leases.ts";
import { Refusal } from "./refusal.ts";

/** Takes what an upstream answers, and answers the client. */
export interface Sink {
  /** The answer's head. A refusal: it cannot be passed on. */
  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined;
  /** False: the client is slow; wait for `drain`. */
  data(chunk: Buffer): boolean | Refusal;
  end(): Refusal | undefined;
  /** The exchange cannot be finished: tell the client as well as what was sent already permits. */
  fail(refusal: Refusal): void;
}

export interface ForwardRequest {
  readonly upstream: Upstream;
  readonly headers: string[];
  readonly body: Buffer | string;
  readonly windowMs: number;
  /** Whether a client that leaves cancels its request: yes for stateless ones, no for handshake ones. */
  readonly cancelOnLeave: boolean;
}

/**
 * One request on its way to an instance and back. The client's leaving, the
 * window's end, a broken upstream and a refusal all end it once; until then
 * the exchange's record waits.
 */
export class Forward implements Dispatcher.DispatchHandler, Flow {
  readonly #x: Exchange;
  readonly #leases: Leases;
  readonly #request: ForwardRequest;
  readonly #sink: Sink;
  #controller: Dispatcher.DispatchController | undefined;
  #held: Held | undefined;
  #sentAt = 0;
  #retried = false;
  #over = false;

  constructor(x: Exchange, leases: Leases, request: ForwardRequest, sink: Sink) {
    this.#x = x;
    this.#leases = leases;
    this.#request = request;
    this.#sink = sink;
    x.begin(this, request.windowMs);
    x.upstreamBegins();
    if (x.clientGone && request.cancelOnLeave) this.#finish();
    else this.#acquire();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error("The request is over."));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.#over || status < 200) return;
    const refusal = this.#sink.start(status, headers);
    if (refusal !== undefined) this.#stop(refusal, controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    const taken = this.#sink.data(chunk);
    if (taken === true) return;
    if (taken !== false) return this.#stop(taken, controller);
    if (this.#x.clientGone) return;
    controller.pause();
    this.#x.res.once("drain", () => controller.resume());
  }

  onResponseEnd(): void {
    if (this.#over) return;
    const refusal = this.#sink.end();
    if (refusal !== undefined) this.#sink.fail(refusal);
    this.#finish();
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#over) return;
    const unsent = this.#controller === undefined;
    const held = this.#held;
    if (unsent && held !== undefined) {
      // It never left: a second instance cannot do the work twice.
      this.#leases.drop(this.#request.upstream, held, error);
      if (!this.#retried) {
        this.#retried = true;
        this.#leases.end(held);
        this.#held = undefined;
        return this.#acquire();
      }
    }
    const gone = unsent || held?.lost === true;
    this.#stop(
      new Refusal(
        gone ? "runtime" : "upstream",
        502,
        unsent
          ? "The server's instance cannot be reached. Try again; `offing logs` shows what it printed."
          : gone
            ? "The server's instance ended while it worked on this request. `offing logs` shows why; the request may have taken effect."
            : "The server broke off its answer. `offing logs` shows why; the request may have taken effect.",
        { because: error.message, outcome: "upstream_gone" },
      ),
    );
  }

  #acquire(): void {
    const taken = this.#leases.take(this.#request.upstream);
    if (!(taken instanceof Promise)) return this.#send(taken);
    const before = this.#x.elapsed();
    taken.then(
      (held) => {
        this.#x.record.t_cold += this.#x.elapsed() - before;
        if (!this.#over) this.#send(held);
      },
      (error: unknown) => {
        this.#x.record.t_cold += this.#x.elapsed() - before;
        if (!this.#over) this.#stop(unstarted(error));
      },
    );
  }

  #send(held: Held): void {
    this.#held = held;
    this.#leases.begin(held);
    this.#x.record.instance = held.instance;
    this.#sentAt = this.#x.elapsed();
    const { dial } = held;
    dial.dispatcher.dispatch(
      {
        origin: dial.origin,
        path: dial.path,
        method: "POST",
        headers: this.#request.headers,
        body: this.#request.body,
      },
      this,
    );
  }

  leave(): void {
    if (this.#over) return;
    if (this.#request.cancelOnLeave) {
      const controller = this.#controller;
      this.#finish();
      controller?.abort(new Error("The client left."));
    } else {
      // Nobody reads any more, so nothing may wait for a reader.
      this.#controller?.resume();
    }
  }

  expire(): void {
    if (this.#over) return;
    const waking = this.#held === undefined;
    this.#stop(
      new Refusal(
        waking ? "runtime" : "upstream",
        504,
        waking
          ? `The server did not start within the request window of ${this.#request.windowMs} ms. \`offing logs\` shows why.`
          : `The server did not finish within the request window of ${this.#request.windowMs} ms. The request may have taken effect.`,
        { outcome: "timeout" },
      ),
    );
  }

  #stop(refusal: Refusal, controller = this.#controller): void {
    this.#sink.fail(refusal);
    this.#finish();
    controller?.abort(refusal);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#x.over();
    if (this.#held !== undefined) {
      this.#x.record.t_upstream = this.#x.elapsed() - this.#sentAt;
      this.#leases.end(this.#held);
    }
    this.#x.upstreamDone();
  }
}

function unstarted(error: unknown): Refusal {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error && "hint" in error && typeof error.hint === "string" ? error.hint : "";
  return new Refusal(
    "runtime",
    503,
    `The server did not start: ${message} ${hint || "`offing logs` shows what it printed."}`,
    { because: message },
  );
}
