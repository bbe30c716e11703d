import { isObject } from "../../mcp/envelope.ts";
import { isHandshakeRevision, newestHandshake } from "../../mcp/eras.ts";
import { announceReachable, keepLogs } from "../../mcp/translate.ts";
import { upstreamHeaders } from "../credential.ts";
import type { Asked } from "../envelope.ts";
import { Forward, type Sink } from "../forward.ts";
import { Relay } from "../relay.ts";
import { Rewriter } from "../rewrite.ts";
import type { Services } from "../services.ts";
import { clientOf, helloOf, type OpenSession } from "../session.ts";
import type { Turn } from "../turn.ts";

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
    const sink = new Rewriter(x, {
      // A session does not exist before its answer, so nothing else can belong to it.
      rewrite: (message) =>
        message["method"] === undefined
          ? { kind: "pass", message: announceReachable(message) }
          : { kind: "drop" },
      messageBytes: limits.messageBytes,
      stateless: false,
      headers: (response) => {
        const result = response["result"];
        if (!isObject(result)) return {};
        const agreed = result["protocolVersion"];
        const spoken = typeof agreed === "string" && isHandshakeRevision(agreed) ? agreed : revision;
        x.record.session = sid;
        x.record.protocol_version = spoken;
        return { "mcp-session-id": book.mint(sid, endpoint, principal, request.params, spoken) };
      },
    });
    const { client, capabilities } = clientOf(request.params);
    this.#send(
      turn,
      { revision, session: upstreamId, hello: helloOf(revision, client, capabilities) },
      body,
      sink,
    );
  }

  /** A request within a session. `level`: the least severe log level that the session asked for. */
  request(turn: Turn, session: OpenSession, level: string | undefined): void {
    const { messageBytes } = this.#services.limits;
    const sink =
      level === undefined
        ? new Relay(turn.x)
        : new Rewriter(turn.x, { rewrite: keepLogs(level), messageBytes, stateless: false });
    this.#send(turn, spokenIn(session), turn.x.body, sink);
  }

  /** A notification, or the client's response to a request of its upstream. */
  note(turn: Turn, session: OpenSession): void {
    this.#send(turn, spokenIn(session), turn.x.body, new Relay(turn.x));
  }

  /** Tells a warm instance that the session is over; one that does not run has nothing to end, and none is started. */
  end(turn: Turn, session: OpenSession): void {
    const headers = this.#headers(turn, spokenIn(session));
    void this.#services.leases.tell(turn.endpoint.upstream, "DELETE", headers);
  }

  #headers({ x, endpoint, principal }: Turn, spoken: ReturnType<typeof spokenIn>): string[] {
    return upstreamHeaders(x, endpoint, principal, this.#services.credentials, {
      ...spoken,
      stateless: false,
    });
  }

  #send(turn: Turn, spoken: ReturnType<typeof spokenIn>, body: Buffer | string, sink: Sink): void {
    const { upstream, requestWindowMs: windowMs } = turn.endpoint;
    const headers = this.#headers(turn, spoken);
    void new Forward(
      turn.x,
      this.#services.leases,
      { upstream, headers, body, windowMs, cancelOnLeave: false },
      sink,
    );
  }
}

function spokenIn({ claims, upstreamId, hello }: OpenSession) {
  return { revision: claims.revision, session: upstreamId, hello };
}
