import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { needsOfMethod } from "../../mcp/methods.ts";
import type { Upstream } from "../../snapshot/snapshot.ts";
import { Access, CHECK_MS } from "../access.ts";
import { post } from "./post.ts";
import { EraWatch, mayContradict } from "./era-watch.ts";
import { brokenThere, endless, refusedHead } from "./external.ts";
import type { Exchange, Flow } from "./exchange.ts";
import type { Ground } from "../ground.ts";
import type { Held } from "./leases.ts";
import { Refusal } from "../refusal.ts";
import { AskAgain, type Unfinished } from "./ask-again.ts";
import type { Turn } from "../turn.ts";
import { unstarted } from "./unstarted.ts";

/** Takes what an upstream answers, and answers the client. */
export interface Sink {
  /** The answer's head. A refusal: it cannot be passed on. */
  start(status: number, headers: IncomingHttpHeaders): Refusal | undefined;
  /** False: the client is slow; wait for `drain`. */
  data(chunk: Buffer): boolean | Refusal;
  end(): Refusal | undefined;
  /** The request has left. */
  sent?(): void;
  /** Called by the gateway's ticks while the answer lasts. */
  tick?(): void;
  /** Whether a stream has certainly carried the response, after which nothing else may come. */
  isAnswered?(): boolean;
  /** Asked when an answer has ended: from where it can be asked for again, where its response is still to come. */
  unfinished?(): Unfinished | undefined;
  /** The exchange cannot be finished: tell the client as well as what was sent already permits. */
  fail(refusal: Refusal): void;
}

/** How a request goes on whose upstream does not know its session any more. */
export interface Recovery {
  /** Opens the session anew. Resolves with the headers under which the request is repeated; rejects with a Refusal. */
  recover(): Promise<string[]>;
}

export interface ForwardRequest {
  readonly upstream: Upstream;
  readonly headers: string[];
  readonly body: Buffer | string;
  readonly windowMs: number;
  /** Whether a client that leaves cancels its request: yes for stateless ones, no for handshake ones. */
  readonly cancelOnLeave: boolean;
  /** For a request within a session that an external server opened. */
  readonly recovery?: Recovery | undefined;
}

/** What a forward stands on. */
type Footing = Pick<Ground, "leases" | "snapshot" | "tokens">;

/** Bytes of an answer that is not passed on; one that says more is not waited for. */
const DRAINED_BYTES = 65_536;

/**
 * One request on its way upstream and back. The client's leaving, the
 * window's end, a broken upstream and a refusal all end it once; until then
 * the exchange's record waits.
 */
export class Forward implements Dispatcher.DispatchHandler, Flow {
  readonly #x: Exchange;
  readonly #turn: Turn;
  readonly #ground: Footing;
  readonly #request: ForwardRequest;
  readonly #sink: Sink;
  #controller: Dispatcher.DispatchController | undefined;
  #held: Held | undefined;
  #sentAt = 0;
  #retried = false;
  /** Bytes left of an answer that only says that the session is lost. */
  #draining = 0;
  #headers: string[];
  #watch: EraWatch | undefined;
  #again: AskAgain | undefined;
  /** Of a request that lasts. */
  #access: Access | undefined;
  #ticksAnswered = 0;
  #over = false;

  constructor(turn: Turn, ground: Footing, request: ForwardRequest, sink: Sink) {
    const { x } = turn;
    this.#x = x;
    this.#turn = turn;
    this.#ground = ground;
    this.#request = request;
    this.#sink = sink;
    this.#headers = request.headers;
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
    // In the handshake era 404 says that a session is over (2025-11-25, basic/transports).
    const { recovery } = this.#request;
    if (status === 404 && recovery !== undefined && !this.#retried && this.#again?.asking !== true) {
      this.#retried = true;
      this.#draining = DRAINED_BYTES;
      return;
    }
    if (this.#again?.asking === true && status !== 200) return this.#askedInVain(status, controller);
    this.#again?.answered();
    const external = this.#request.upstream.kind === "external";
    if (external && mayContradict(this.#x.record.method, status)) this.#heed(status);
    const refusal =
      (external ? refusedHead(status, headers) : undefined) ?? this.#sink.start(status, headers);
    if (refusal === undefined) return;
    // Nothing more of it is heard.
    if (this.#watch?.contradicts() === true) this.#doubt();
    this.#stop(refusal, controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    if (this.#draining > 0) {
      this.#draining -= chunk.length;
      if (this.#draining <= 0) this.#stop(endless(), controller);
      return;
    }
    this.#watch?.hear(chunk);
    const taken = this.#sink.data(chunk);
    if (taken === true) return;
    if (taken !== false) return this.#stop(taken, controller);
    if (this.#x.clientGone) return;
    controller.pause();
    this.#x.res.once("drain", () => controller.resume());
  }

  onResponseEnd(): void {
    if (this.#over) return;
    if (this.#draining > 0) return this.#recover();
    if (this.#watch?.contradicts() === true) this.#doubt();
    if (this.#asksAgain()) return;
    const refusal = this.#sink.end();
    if (refusal !== undefined) this.#sink.fail(refusal);
    this.#finish();
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#over) return;
    if (this.#draining > 0) return this.#recover();
    const unsent = this.#controller === undefined;
    if (this.#held?.lost === false && (this.#again?.failed() ?? true) && this.#asksAgain()) return;
    if (this.#request.upstream.kind === "external") return this.#stop(brokenThere(unsent, error));
    const held = this.#held;
    if (unsent && held !== undefined) {
      // It never left: a second instance cannot do the work twice.
      this.#ground.leases.drop(this.#request.upstream, held, error);
      if (!this.#retried) {
        this.#retried = true;
        this.#ground.leases.end(held);
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

  /** An upstream that let its stream go is asked to go on with it, as long as the window lasts. */
  #asksAgain(): boolean {
    const unfinished = this.#sink.unfinished?.();
    if (unfinished === undefined) return false;
    this.#again ??= new AskAgain();
    this.#again.plan(unfinished, this.#x.elapsed());
    return true;
  }

  tick(): void {
    if (this.#sink.isAnswered?.() === true) return this.#letGo();
    const lost = this.#lostAccess();
    if (lost !== undefined) return this.#revoke(lost);
    this.#sink.tick?.();
    if (this.#again?.due(this.#x.elapsed()) !== true) return;
    const { dispatcher, origin, path } = this.#held!.dial;
    const headers = this.#again.headers(this.#headers);
    dispatcher.dispatch({ origin, path, method: "GET", headers }, this);
  }

  /** Why a request that lasts may not go on. */
  #lostAccess(): Refusal | undefined {
    const elapsed = this.#x.elapsed();
    if (elapsed < CHECK_MS) return;
    this.#access ??= new Access(this.#ground, this.#turn, needsOfMethod(this.#x.record.method));
    return this.#access.lost(this.#x.started + elapsed);
  }

  /** Ends it upstream, too: in the handshake era the end of a connection alone cancels nothing. */
  #revoke(refusal: Refusal): void {
    const { id, record } = this.#x;
    const held = this.#held;
    const told = !this.#request.cancelOnLeave && id !== null && record.method !== "initialize";
    if (told && held !== undefined && !held.lost) {
      const params = { requestId: id, reason: "Its caller may not call the server any more." };
      const message = { jsonrpc: "2.0", method: "notifications/cancelled", params };
      post(held, this.#headers, message).catch(() => {});
    }
    this.#stop(refusal);
  }

  /** An upstream that holds a stream open after its response is not waited for; those that end it get a tick's time. */
  #letGo(): void {
    this.#ticksAnswered++;
    if (this.#ticksAnswered < 2) return;
    const controller = this.#controller;
    this.#sink.end();
    this.#finish();
    controller?.abort(new Error("The response is there."));
  }

  #askedInVain(status: number, controller: Dispatcher.DispatchController): void {
    this.#stop(
      new Refusal(
        "upstream",
        502,
        `The server let its answer go and does not go on with it (HTTP ${status}). The request may have taken effect.`,
        { because: `upstream answered ${status} to Last-Event-ID`, outcome: "upstream_gone" },
      ),
      controller,
    );
  }

  #acquire(): void {
    let taken: Held | Promise<Held>;
    try {
      taken = this.#ground.leases.take(this.#request.upstream);
    } catch (error) {
      return this.#stop(unstarted(error));
    }
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

  #heed(status: number): void {
    const spoken = this.#headers.includes("mcp-method") ? "stateless" : "handshake";
    this.#watch = new EraWatch(spoken, this.#x.record.method, status);
  }

  #doubt(): void {
    const { upstream } = this.#request;
    if (upstream.kind === "external") this.#ground.leases.doubt(upstream);
  }

  #recover(): void {
    this.#draining = 0;
    this.#controller = undefined;
    this.#request.recovery!.recover().then(
      (headers) => {
        if (this.#over) return;
        this.#headers = headers;
        this.#ground.leases.end(this.#held!);
        this.#held = undefined;
        this.#acquire();
      },
      (error: unknown) => {
        if (!this.#over) this.#stop(unstarted(error));
      },
    );
  }

  #send(held: Held): void {
    this.#held = held;
    this.#ground.leases.begin(held);
    this.#x.record.instance = held.instance;
    this.#sentAt = this.#x.elapsed();
    const { dial } = held;
    dial.dispatcher.dispatch(
      {
        origin: dial.origin,
        path: dial.path,
        method: "POST",
        headers: this.#headers,
        body: this.#request.body,
      },
      this,
    );
    this.#sink.sent?.();
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
    const waking = this.#held === undefined && this.#request.upstream.kind === "hosted";
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
      this.#ground.leases.end(this.#held);
    }
    this.#x.upstreamDone();
  }
}
