import type { Era } from "../mcp/eras.ts";
import { codes, errorText } from "../mcp/errors.ts";
import { discoverResult, isLogLevel } from "../mcp/translate.ts";
import type { Capability } from "../mcp/manifest.ts";
import { parameterFault } from "../mcp/parameters.ts";
import { attempt } from "./attempt.ts";
import { Bridge } from "./bridge/bridge.ts";
import { noteCapability } from "./capability.ts";
import { HandshakeCell } from "./cells/handshake.ts";
import { HandshakeOnStatelessCell } from "./cells/handshake-on-stateless.ts";
import { StatelessCell } from "./cells/stateless.ts";
import { StatelessOnHandshakeCell } from "./cells/stateless-on-handshake.ts";
import { type Asked, type Envelope, judgeMethod } from "./admission/envelope.ts";
import { choiceOf, eraFor } from "./era.ts";
import { servedByHolder } from "./line-holder.ts";
import { Refusal } from "./refusal.ts";
import { openState, type RequestState } from "./request-state.ts";
import type { Services } from "./services.ts";
import type { OpenSession } from "./sessions/session.ts";
import { hear } from "./streams/hear.ts";
import { withoutTask } from "./tasks/tasks.ts";
import type { Turn } from "./turn.ts";
import type { VirtualSession } from "./sessions/virtual-sessions.ts";

/**
 * Carries an accepted message upstream in the words that the upstream speaks,
 * and the answer back in the client's: one cell for each pair of eras.
 */
export class Conversation {
  readonly #services: Services;
  readonly #bridge: Bridge;
  readonly #handshake: HandshakeCell;
  readonly #stateless: StatelessCell;
  readonly #handshakeOnStateless: HandshakeOnStatelessCell;
  readonly #statelessOnHandshake: StatelessOnHandshakeCell;

  constructor(services: Services) {
    this.#services = services;
    this.#bridge = new Bridge(services);
    this.#handshake = new HandshakeCell(services);
    this.#stateless = new StatelessCell(services);
    this.#handshakeOnStateless = new HandshakeOnStatelessCell(this.#bridge);
    this.#statelessOnHandshake = new StatelessOnHandshakeCell(this.#bridge);
  }

  /** The session that a handshake message belongs to; the other messages have none. */
  join({ x, endpoint, principal }: Turn, envelope: Envelope): OpenSession | undefined {
    if (envelope.kind !== "handshake" && envelope.kind !== "note") return;
    return this.#services.book.open(x, endpoint, principal);
  }

  /** Ends the session that a DELETE names. */
  async end(turn: Turn): Promise<void> {
    const { x, endpoint, principal } = turn;
    const { book } = this.#services;
    judgeMethod(x, "there are no sessions to end");
    x.record.era = "handshake";
    const session = book.open(x, endpoint, principal);
    if (servedByHolder(turn, this.#services, session)) return;
    // Before it ends: nothing is known of it then.
    const spoken = this.#services.upstreamSessions.spokenIn(turn, session);
    await book.end(turn, session);
    if (endpoint.eras.includes("handshake")) this.#handshake.end(turn, spoken);
    x.answerEmpty(204);
  }

  /** Ends the calls that wait for their clients; none of them can come back to this process. */
  close(): Promise<void> {
    return this.#bridge.close();
  }

  /** A GET: goes on with a stream, or opens the one on which the server speaks first. */
  hear(turn: Turn): void {
    hear(turn, this.#services);
  }

  carry(turn: Turn, envelope: Envelope, session: OpenSession | undefined): void {
    switch (envelope.kind) {
      case "initialize":
        this.#services.book.admit(turn);
        return eraFor(turn.endpoint, "handshake") === "handshake"
          ? this.#handshake.initialize(turn, envelope.request)
          : this.#handshakeOnStateless.initialize(turn, envelope.request);
      case "stateless":
        return this.#fromStateless(turn, envelope);
      case "stateless_note":
        return turn.x.answerEmpty(202);
      case "note":
        if (servedByHolder(turn, this.#services, session!)) return;
        if (this.#handshakeOnStateless.note(turn, session!, envelope.message)) return;
        return this.#handshake.note(turn, session!, envelope.message);
      case "handshake":
        if (servedByHolder(turn, this.#services, session!)) return;
        return this.#fromHandshake(turn, session!, envelope.request);
    }
  }

  #fromHandshake(turn: Turn, session: OpenSession, request: Asked): void {
    const { x, endpoint } = turn;
    if (request.method === "ping") return x.answer(200, resultText(request, {}));
    if (request.method === "logging/setLevel") return this.#setLevel(turn, session, request);
    const capability = noteCapability(x, endpoint.manifest);
    const era = eraFor(endpoint, "handshake", capability);
    const { hub, upstreams } = this.#services;
    x.choice = choiceOf(endpoint, capability, era, upstreams);
    if (era === "stateless") {
      if (isSubscription(request)) return hub.subscription(turn, session, request);
      return this.#handshakeOnStateless.request(turn, session, request);
    }
    if (isSubscription(request)) {
      if (session.claims.listens === true) return hub.subscription(turn, session, request);
      hub.notice(turn, session, request);
    }
    x.body = withoutTask(x, request);
    this.#handshake.request(turn, session, this.#services.book.level(session));
  }

  #agreeOnParameters({ x, endpoint: { upstream } }: Turn, tool: Capability, request: Asked): void {
    const fault = parameterFault(tool.definition, request.params, x.req.headers);
    if (fault === undefined) return;
    // The client may know a newer definition than was read of a server that runs elsewhere.
    if (upstream.kind === "external") this.#services.leases.doubt(upstream);
    throw new Refusal("protocol", fault.status, fault.message, fault);
  }

  #setLevel(turn: Turn, session: OpenSession, request: Asked): void {
    const { x, endpoint } = turn;
    if (endpoint.manifest.capabilities["logging"] === undefined) {
      return x.answer(200, errorText(request.id, codes.methodNotFound, "This server sends no log messages."));
    }
    const level = request.params["level"];
    if (!isLogLevel(level)) {
      return x.answer(
        200,
        errorText(request.id, codes.invalidParams, "params.level is not a level of RFC 5424."),
      );
    }
    this.#services.book.setLevel(turn, session, level).then(
      () => x.answer(200, resultText(request, {})),
      (error: unknown) => x.refuse(error instanceof Refusal ? error : unkept(error)),
    );
  }

  #fromStateless(turn: Turn, envelope: Envelope & { kind: "stateless" }): void {
    const { x, endpoint } = turn;
    const { request } = envelope;
    if (request.method === "subscriptions/listen") return this.#services.hub.listen(turn, envelope);
    if (this.#services.tasks.request(turn, envelope)) return;
    const capability = noteCapability(x, endpoint.manifest);
    if (capability?.kind === "tool") this.#agreeOnParameters(turn, capability, request);
    // A call that waits goes on where it waits, whatever would be chosen now.
    const state = request.known.names === null ? undefined : openState(this.#services, turn, request);
    const era = state?.kind === "parked" ? "handshake" : eraFor(endpoint, "stateless", capability);
    x.choice = choiceOf(endpoint, capability, era, this.#services.upstreams);
    const virtual = this.#services.virtualSessions.of(turn, envelope);
    if (virtual instanceof Promise) {
      virtual.then(
        (begun) => attempt(x, () => this.#sendStateless(turn, envelope, { era, state, virtual: begun })),
        (error: unknown) => x.refuse(error instanceof Refusal ? error : unbegun(error)),
      );
    } else this.#sendStateless(turn, envelope, { era, state, virtual });
  }

  #sendStateless(
    turn: Turn,
    envelope: Envelope & { kind: "stateless" },
    {
      era,
      state,
      virtual,
    }: { era: Era; state: RequestState | undefined; virtual: VirtualSession | undefined },
  ): void {
    const { x, endpoint } = turn;
    const { request } = envelope;
    if (virtual !== undefined) {
      x.virtual = virtual.upstreamId;
      x.record.session = virtual.sid;
    }
    if (era === "stateless") {
      return this.#stateless.request(turn, envelope, state?.kind === "upstream" ? state.state : undefined);
    }
    if (request.method === "server/discover") {
      return x.answer(200, resultText(request, discoverResult(endpoint.manifest)));
    }
    this.#statelessOnHandshake.request(turn, envelope, state);
  }
}

function isSubscription({ method }: Asked): boolean {
  return method === "resources/subscribe" || method === "resources/unsubscribe";
}

function unbegun(error: unknown): Refusal {
  return new Refusal("session", 503, "The session for this client could not be begun just now. Try again.", {
    because: error instanceof Error ? error.message : String(error),
  });
}

function unkept(error: unknown): Refusal {
  return new Refusal("session", 503, "The log level could not be kept just now. Set it again.", {
    because: error instanceof Error ? error.message : String(error),
  });
}

function resultText(request: Asked, result: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id: request.id, result });
}
