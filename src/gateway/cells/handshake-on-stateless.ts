import { headerValue, type Message } from "../../mcp/envelope.ts";
import { isHandshakeRevision, newestHandshake, newestStateless } from "../../mcp/eras.ts";
import { parameterHeaders } from "../../mcp/parameters.ts";
import { initializeResult } from "../../mcp/to-handshake.ts";
import type { Bridge } from "../bridge/bridge.ts";
import { exactParams } from "../bridge/exact.ts";
import { HandshakeCall } from "../bridge/handshake-call.ts";
import { holderOf } from "../bridge/questions.ts";
import { tellOthers } from "../bridge/tell-others.ts";
import { capabilityOf } from "../capability.ts";
import { upstreamHeaders } from "../exchange/credential.ts";
import type { Asked } from "../admission/envelope.ts";
import { handOver } from "../hand-over.ts";
import { Refusal } from "../refusal.ts";
import type { OpenSession } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";

type Note = Message & { kind: "notification" | "response" };

/** Log messages that a client gets which never asked for a level (2025-11-25, server/utilities/logging: the server decides). */
const DEFAULT_LEVEL = "info";

/** A handshake client on an upstream that speaks the stateless era: the gateway holds the session. */
export class HandshakeOnStatelessCell {
  readonly #bridge: Bridge;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  /** Answers `initialize` from what the upstream said of itself. */
  initialize(turn: Turn, request: Asked): void {
    const { x, endpoint, principal } = turn;
    const { book } = this.#bridge.services;
    const asked = request.params["protocolVersion"];
    const revision = typeof asked === "string" && isHandshakeRevision(asked) ? asked : newestHandshake;
    const { sid } = book.begin();
    x.record.session = sid;
    x.record.protocol_version = revision;
    const result = initializeResult(endpoint.manifest, revision);
    x.answer(200, JSON.stringify({ jsonrpc: "2.0", id: request.id, result }), {
      "mcp-session-id": book.mint(sid, endpoint, principal, request.params, revision),
    });
  }

  request(turn: Turn, session: OpenSession, request: Asked): void {
    const { endpoint } = turn;
    const logs = endpoint.manifest.capabilities["logging"] !== undefined;
    const level = this.#bridge.services.book.level(session) ?? DEFAULT_LEVEL;
    const carried = {
      params: exactParams(turn.x, request.params),
      headers: this.#headers(turn, session, request),
      level: logs ? level : undefined,
    };
    new HandshakeCall(this.#bridge, turn, session, request, carried).start();
  }

  /**
   * A response of the client to what was asked here, or a notification that
   * concerns a call of ours. True: it is answered; false: it goes upstream.
   */
  note(turn: Turn, session: OpenSession, message: Note): boolean {
    if (message.kind === "response") return this.#answered(turn, session, message);
    const { x, endpoint } = turn;
    if (!endpoint.eras.includes("stateless")) return false;
    const cancelled = message.method === "notifications/cancelled" && this.#cancelled(turn, session, message);
    // An upstream of the stateless era only has no ears for notifications.
    if (!cancelled && endpoint.eras.includes("handshake")) return false;
    x.answerEmpty(202);
    return true;
  }

  /** Cancels a call of ours, wherever it is held. True: the upstream needs no word of it. */
  #cancelled({ x }: Turn, session: OpenSession, { params }: Note & { kind: "notification" }): boolean {
    const { requestId, reason } = params;
    const why = typeof reason === "string" ? reason.slice(0, 300) : "The client cancelled it.";
    const { calls, services } = this.#bridge;
    const here = calls.cancel(session.claims.sid, requestId, why);
    if (x.handedOver) x.discard();
    else if (!here) tellOthers(x, services);
    return here || x.handedOver;
  }

  #answered(turn: Turn, session: OpenSession, message: Note & { kind: "response" }): boolean {
    const { x, endpoint } = turn;
    const holder = holderOf(message.id);
    if (holder === undefined) {
      if (endpoint.eras.includes("handshake")) return false;
      throw nobodyWaits();
    }
    const { services, questions } = this.#bridge;
    if (holder !== services.peers.self) {
      if (!handOver(turn, services, holder, nobodyWaits)) throw nobodyWaits();
      return true;
    }
    if (!questions.answer(session.claims.sid, String(message.id), message.body)) throw nobodyWaits();
    x.answerEmpty(202);
    return true;
  }

  /** A request's headers as a client of the stateless era writes them (2026-07-28, basic/transports/streamable-http). */
  #headers(turn: Turn, session: OpenSession, { method, params, known }: Asked): string[] {
    const { x, endpoint, principal } = turn;
    const headers = upstreamHeaders(x, endpoint, principal, this.#bridge.services.credentials, {
      revision: newestStateless,
      // Server code of a hosted server may tell its sessions apart by it; to others there is none.
      session: endpoint.upstream.kind === "hosted" ? session.upstreamId : undefined,
      stateless: false,
    });
    headers.push("mcp-method", method);
    const name = known.names === null ? undefined : params[known.names.parameter];
    if (typeof name === "string") {
      headers.push("mcp-name", headerValue(name));
      const tool = method === "tools/call" ? capabilityOf(endpoint.manifest, "tool", name) : undefined;
      if (tool !== undefined) headers.push(...parameterHeaders(tool.definition, params));
    }
    return headers;
  }
}

function nobodyWaits(): Refusal {
  return new Refusal(
    "session",
    400,
    "Nobody waits for this response: the request that it answers was answered already, is over, or the process that sent it is gone.",
    { because: "a response to nothing" },
  );
}
