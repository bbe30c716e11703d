import { Lru } from "../lib/lru.ts";
import { codes, errorText } from "../mcp/errors.ts";
import { discoverResult, isLogLevel } from "../mcp/translate.ts";
import type { Capability } from "../mcp/manifest.ts";
import { parameterFault } from "../mcp/parameters.ts";
import { noteCapability } from "./capability.ts";
import { HandshakeCell } from "./cells/handshake.ts";
import { HandshakeOnStatelessCell } from "./cells/handshake-on-stateless.ts";
import { StatelessCell } from "./cells/stateless.ts";
import { StatelessOnHandshakeCell } from "./cells/stateless-on-handshake.ts";
import type { Asked, Envelope } from "./envelope.ts";
import { eraFor } from "./era.ts";
import type { Exchange } from "./exchange.ts";
import { Refusal } from "./refusal.ts";
import { openState } from "./request-state.ts";
import type { Services } from "./services.ts";
import type { OpenSession } from "./session.ts";
import type { Turn } from "./turn.ts";

/**
 * Carries an accepted message upstream in the words that the upstream speaks,
 * and the answer back in the client's: one cell for each pair of eras.
 */
export class Conversation {
  readonly #services: Services;
  readonly #handshake: HandshakeCell;
  readonly #stateless: StatelessCell;
  readonly #handshakeOnStateless: HandshakeOnStatelessCell;
  readonly #statelessOnHandshake: StatelessOnHandshakeCell;
  /** Session → least severe log level it asked for. */
  readonly #levels = new Lru<string, string>(10_000);

  constructor(services: Services) {
    this.#services = services;
    this.#handshake = new HandshakeCell(services);
    this.#stateless = new StatelessCell(services);
    this.#handshakeOnStateless = new HandshakeOnStatelessCell(services);
    this.#statelessOnHandshake = new StatelessOnHandshakeCell(services);
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
    x.record.era = "handshake";
    const session = book.open(x, endpoint, principal);
    await book.end(session);
    this.#levels.delete(session.claims.sid);
    if (endpoint.eras.includes("handshake")) this.#handshake.end(turn, session);
    x.answerEmpty(204);
  }

  carry(turn: Turn, envelope: Envelope, session: OpenSession | undefined): void {
    switch (envelope.kind) {
      case "initialize":
        return eraFor(turn.endpoint, "handshake") === "handshake"
          ? this.#handshake.initialize(turn, envelope.request)
          : this.#handshakeOnStateless.initialize(turn, envelope.request);
      case "stateless":
        return this.#fromStateless(turn, envelope);
      case "stateless_note":
        return turn.x.answerEmpty(202);
      case "note":
        return this.#handshake.note(turn, session!);
      case "handshake":
        return this.#fromHandshake(turn, session!, envelope.request);
    }
  }

  #fromHandshake(turn: Turn, session: OpenSession, request: Asked): void {
    const { x, endpoint } = turn;
    if (request.method === "ping") return x.answer(200, resultText(request, {}));
    if (request.method === "logging/setLevel") return this.#setLevel(turn, session, request);
    const capability = noteCapability(x, endpoint.manifest);
    if (eraFor(endpoint, "handshake", capability) === "stateless") {
      return this.#handshakeOnStateless.request(turn, session, request);
    }
    this.#handshake.request(turn, session, this.#levels.get(session.claims.sid));
  }

  #setLevel({ x, endpoint }: Turn, session: OpenSession, request: Asked): void {
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
    this.#levels.set(session.claims.sid, level);
    x.answer(200, resultText(request, {}));
  }

  #fromStateless(turn: Turn, envelope: Envelope & { kind: "stateless" }): void {
    const { x, endpoint } = turn;
    const { request } = envelope;
    const capability = noteCapability(x, endpoint.manifest);
    if (capability?.kind === "tool") agreeOnParameters(x, capability, request);
    // A call that waits goes on where it waits, whatever would be chosen now.
    const state = request.known.names === null ? undefined : openState(this.#services, turn, request);
    if (state?.kind !== "parked" && eraFor(endpoint, "stateless", capability) === "stateless") {
      return this.#stateless.request(turn, envelope, state?.state);
    }
    if (request.method === "server/discover") {
      return x.answer(200, resultText(request, discoverResult(endpoint.manifest)));
    }
    this.#statelessOnHandshake.request(turn, envelope);
  }
}

function agreeOnParameters(x: Exchange, tool: Capability, request: Asked): void {
  const fault = parameterFault(tool.definition, request.params, x.req.headers);
  if (fault !== undefined) throw new Refusal("protocol", fault.status, fault.message, fault);
}

function resultText(request: Asked, result: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id: request.id, result });
}
