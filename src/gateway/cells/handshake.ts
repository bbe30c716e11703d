import type { IncomingHttpHeaders } from "node:http";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { isHandshakeRevision, newestHandshake } from "../../mcp/eras.ts";
import { announceReachable, keepLogs } from "../../mcp/translate.ts";
import { sessionIdOf } from "../../upstream/handshake.ts";
import { noteCapability } from "../capability.ts";
import { type Spoken, upstreamHeaders } from "../exchange/credential.ts";
import type { Asked, Envelope } from "../admission/envelope.ts";
import { isRepeatable, sessionLost } from "../exchange/external.ts";
import { Forward, type Recovery, type Sink } from "../exchange/forward.ts";
import { announceHeld } from "../hub/held-updates.ts";
import { Refusal } from "../refusal.ts";
import { Relay } from "../exchange/relay.ts";
import { Rewriter } from "../exchange/rewrite.ts";
import type { Services } from "../services.ts";
import { clientOf, helloOf, type OpenSession } from "../sessions/session.ts";
import { Passing } from "../streams/passing.ts";
import type { Turn } from "../turn.ts";

type Noted = (Envelope & { kind: "note" })["message"];

/** A handshake client on an upstream of the handshake era: what both speak passes unread. */
export class HandshakeCell {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** The upstream's own `initialize`; a session of ours stands for the one that it opens. */
  initialize(turn: Turn, request: Asked): void {
    const { x, endpoint, principal } = turn;
    const { book, limits } = this.#services;
    const asked = request.params["protocolVersion"];
    const revision = typeof asked === "string" && isHandshakeRevision(asked) ? asked : newestHandshake;
    const body =
      revision === asked
        ? x.body
        : JSON.stringify({ ...request.body, params: { ...request.params, protocolVersion: revision } });
    const { sid, upstreamId } = book.begin();
    let listens = false;
    const sink = new Opening(x, {
      // A session does not exist before its answer, so nothing else can belong to it.
      rewrite(message) {
        if (message["method"] !== undefined) return { kind: "drop" };
        const reachable = announceReachable(message);
        const held = announceHeld(endpoint, reachable);
        listens = held !== undefined;
        return { kind: "pass", message: held ?? reachable };
      },
      messageBytes: limits.messageBytes,
      stateless: false,
      headers: (response) => {
        const result = response["result"];
        if (!isObject(result)) return {};
        const agreed = result["protocolVersion"];
        const spoken = typeof agreed === "string" && isHandshakeRevision(agreed) ? agreed : revision;
        x.record.session = sid;
        x.record.protocol_version = spoken;
        const own = endpoint.upstream.kind === "external" ? sink.session : undefined;
        const { params } = request;
        return { "mcp-session-id": book.mint(sid, endpoint, principal, params, spoken, own, listens) };
      },
    });
    this.#send(turn, this.#opening(turn, request.params, revision, upstreamId), body, sink);
  }

  /** How `initialize` is spoken: an instance is told all of it, an external server gives an id of its own. */
  #opening({ endpoint }: Turn, params: JsonObject, revision: string, session: string): Spoken {
    if (endpoint.upstream.kind === "external") {
      return { revision: undefined, session: undefined, stateless: false };
    }
    const { client, capabilities } = clientOf(params);
    return { revision, session, hello: helloOf(revision, client, capabilities), stateless: false };
  }

  /** A request within a session. `level`: the least severe log level that the session asked for. */
  request(turn: Turn, session: OpenSession, level: string | undefined): void {
    const rewrite = level === undefined ? undefined : keepLogs(level);
    this.#within(turn, session, new Passing(turn.x, session, this.#services, rewrite));
  }

  /** A notification, or the client's response to a request of its upstream. */
  note(turn: Turn, session: OpenSession, message: Noted): void {
    if (message.kind === "notification" && message.method === "notifications/cancelled") {
      this.#services.withdrawals.mark(session.claims.sid, message.params["requestId"]);
    }
    this.#within(turn, session, new Relay(turn.x));
  }

  /** Tells the upstream that the session is over; an instance that does not run has nothing to end, and none is started. */
  end(turn: Turn, spoken: Spoken): void {
    if (spoken.session === undefined) return;
    const headers = this.#headers(turn, spoken);
    void this.#services.leases.tell(turn.endpoint.upstream, "DELETE", headers);
  }

  #within(turn: Turn, session: OpenSession, sink: Sink): void {
    const spoken = this.#services.upstreamSessions.spokenIn(turn, session);
    const recovery =
      turn.endpoint.upstream.kind === "external" && spoken.session !== undefined
        ? new LostSession(this.#services, turn, session, spoken.session)
        : undefined;
    this.#send(turn, spoken, turn.x.body, sink, recovery);
  }

  #headers({ x, endpoint, principal }: Turn, spoken: Spoken): string[] {
    return upstreamHeaders(x, endpoint, principal, this.#services.credentials, spoken);
  }

  #send(turn: Turn, spoken: Spoken, body: Buffer | string, sink: Sink, recovery?: Recovery): void {
    const { upstream, requestWindowMs: windowMs } = turn.endpoint;
    const headers = this.#headers(turn, spoken);
    void new Forward(
      turn,
      this.#services,
      { upstream, headers, body, windowMs, cancelOnLeave: false, recovery },
      sink,
    );
  }
}

/** The answer to `initialize`, with the session id that the upstream gave. */
class Opening extends Rewriter {
  session: string | undefined;

  override start(status: number, headers: IncomingHttpHeaders): Refusal | undefined {
    try {
      this.session = sessionIdOf(headers["mcp-session-id"]);
    } catch (error) {
      return new Refusal("upstream", 502, error instanceof Error ? error.message : String(error));
    }
    return super.start(status, headers);
  }
}

/** A request whose external server has lost the session. */
class LostSession implements Recovery {
  readonly #services: Services;
  readonly #turn: Turn;
  readonly #session: OpenSession;
  readonly #lost: string;

  constructor(services: Services, turn: Turn, session: OpenSession, lost: string) {
    this.#services = services;
    this.#turn = turn;
    this.#session = session;
    this.#lost = lost;
  }

  async recover(): Promise<string[]> {
    const { upstreamSessions, credentials } = this.#services;
    const { x, endpoint, principal } = this.#turn;
    await upstreamSessions.reopen(this.#turn, this.#session, this.#lost);
    const { method } = x.record;
    // A response to a request of the lost session means nothing to the new one, and harms nothing.
    if (method !== null && !isRepeatable(endpoint.upstream, method, noteCapability(x, endpoint.manifest)))
      throw sessionLost();
    const spoken = upstreamSessions.spokenIn(this.#turn, this.#session);
    return upstreamHeaders(x, endpoint, principal, credentials, spoken);
  }
}
