import { Lru } from "../lib/lru.ts";
import { isObject, toHandshake, translatedRevision } from "../mcp/envelope.ts";
import { isHandshakeRevision, newestHandshake } from "../mcp/eras.ts";
import { codes, errorText } from "../mcp/errors.ts";
import type { CapabilityKind, Manifest } from "../mcp/manifest.ts";
import { announceReachable, discoverResult, isLogLevel, keepLogs, toStateless } from "../mcp/translate.ts";
import type { Principal } from "../policy/decide.ts";
import type { Endpoint } from "../snapshot/snapshot.ts";
import { type Spoken, upstreamHeaders } from "./credential.ts";
import type { Asked, Envelope } from "./envelope.ts";
import type { Exchange } from "./exchange.ts";
import { Forward, type Sink } from "./forward.ts";
import type { Leases } from "./leases.ts";
import type { Credentials } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import { Relay } from "./relay.ts";
import { Rewriter } from "./rewrite.ts";
import { clientOf, helloOf, type OpenSession, type SessionBook } from "./session.ts";

/**
 * Carries an accepted message upstream in the words that the upstream speaks,
 * and the answer back in the client's. What both speak passes unread.
 */
export class Conversation {
  readonly #credentials: Credentials;
  readonly #leases: Leases;
  readonly #book: SessionBook;
  readonly #messageBytes: number;
  /** Session → least severe log level it asked for. */
  readonly #levels = new Lru<string, string>(10_000);

  constructor(credentials: Credentials, leases: Leases, book: SessionBook, messageBytes: number) {
    this.#credentials = credentials;
    this.#leases = leases;
    this.#book = book;
    this.#messageBytes = messageBytes;
  }

  /** The session that a handshake message belongs to; the other messages have none. */
  join(x: Exchange, endpoint: Endpoint, principal: Principal, envelope: Envelope): OpenSession | undefined {
    if (envelope.kind !== "handshake" && envelope.kind !== "note") return;
    return this.#book.open(x, endpoint, principal);
  }

  /** Ends the session that a DELETE names. */
  async end(x: Exchange, endpoint: Endpoint, principal: Principal): Promise<void> {
    x.record.era = "handshake";
    const session = this.#book.open(x, endpoint, principal);
    await this.#book.end(session);
    this.#levels.delete(session.claims.sid);
    this.#endUpstream(x, endpoint, principal, session);
    x.answerEmpty(204);
  }

  /** Tells a warm instance that the session is over; one that does not run has nothing to end, and none is started. */
  #endUpstream(x: Exchange, endpoint: Endpoint, principal: Principal, session: OpenSession): void {
    const { claims, upstreamId, hello } = session;
    const spoken = { revision: claims.revision, session: upstreamId, hello, stateless: false };
    const headers = upstreamHeaders(x, endpoint, principal, this.#credentials, spoken);
    void this.#leases.tell(endpoint.target, "DELETE", headers);
  }

  carry(
    x: Exchange,
    endpoint: Endpoint,
    principal: Principal,
    envelope: Envelope,
    session: OpenSession | undefined,
  ): void {
    switch (envelope.kind) {
      case "initialize":
        return this.#initialize(x, endpoint, principal, envelope.request);
      case "stateless":
        return this.#stateless(x, endpoint, principal, envelope);
      case "stateless_note":
        return x.answerEmpty(202);
      case "note":
        return this.#handshake(x, endpoint, principal, session!, new Relay(x));
      case "handshake":
        return this.#request(x, endpoint, principal, session!, envelope.request);
    }
  }

  #request(
    x: Exchange,
    endpoint: Endpoint,
    principal: Principal,
    session: OpenSession,
    request: Asked,
  ): void {
    if (request.method === "ping") return x.answer(200, resultText(request, {}));
    if (request.method === "logging/setLevel") return this.#setLevel(x, endpoint, session, request);
    noteCapability(x, endpoint.manifest);
    const level = this.#levels.get(session.claims.sid);
    const sink =
      level === undefined
        ? new Relay(x)
        : new Rewriter(x, {
            rewrite: keepLogs(level),
            messageBytes: this.#messageBytes,
            stateless: false,
          });
    this.#handshake(x, endpoint, principal, session, sink);
  }

  #setLevel(x: Exchange, endpoint: Endpoint, session: OpenSession, request: Asked): void {
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

  #handshake(x: Exchange, endpoint: Endpoint, principal: Principal, session: OpenSession, sink: Sink): void {
    requireEra(endpoint, "handshake");
    const { claims, upstreamId, hello } = session;
    const spoken = { revision: claims.revision, session: upstreamId, hello, stateless: false };
    this.#send(x, endpoint, principal, spoken, x.body, sink);
  }

  #initialize(x: Exchange, endpoint: Endpoint, principal: Principal, request: Asked): void {
    requireEra(endpoint, "handshake");
    const asked = request.params["protocolVersion"];
    const revision = typeof asked === "string" && isHandshakeRevision(asked) ? asked : newestHandshake;
    const body =
      revision === asked
        ? x.body
        : JSON.stringify({ ...request.body, params: { ...request.params, protocolVersion: revision } });
    const { sid, upstreamId } = this.#book.begin();
    const sink = new Rewriter(x, {
      // A session does not exist before its answer, so nothing else can belong to it.
      rewrite: (message) =>
        message["method"] === undefined
          ? { kind: "pass", message: announceReachable(message) }
          : { kind: "drop" },
      messageBytes: this.#messageBytes,
      stateless: false,
      headers: (response) => {
        const result = response["result"];
        if (!isObject(result)) return {};
        const agreed = result["protocolVersion"];
        const spoken = typeof agreed === "string" && isHandshakeRevision(agreed) ? agreed : revision;
        x.record.session = sid;
        x.record.protocol_version = spoken;
        return { "mcp-session-id": this.#book.mint(sid, endpoint, principal, request.params, spoken) };
      },
    });
    const { client, capabilities } = clientOf(request.params);
    const hello = helloOf(revision, client, capabilities);
    this.#send(
      x,
      endpoint,
      principal,
      { revision, session: upstreamId, hello, stateless: false },
      body,
      sink,
    );
  }

  #stateless(
    x: Exchange,
    endpoint: Endpoint,
    principal: Principal,
    { request, envelope }: Envelope & { kind: "stateless" },
  ): void {
    noteCapability(x, endpoint.manifest);
    // Of its own for every request: two stateless requests share nothing.
    const session = x.record.id;
    if (endpoint.eras.includes("stateless")) {
      const spoken = { revision: envelope.revision, session, stateless: true };
      return this.#send(x, endpoint, principal, spoken, x.body, this.#passing(x, request));
    }
    if (request.method === "server/discover") {
      return x.answer(200, resultText(request, discoverResult(endpoint.manifest)));
    }
    const sink = new Rewriter(x, {
      rewrite: toStateless({
        id: request.id,
        method: request.method,
        params: request.params,
        logLevel: envelope.logLevel,
        serverInfo: endpoint.manifest.serverInfo,
      }),
      messageBytes: this.#messageBytes,
      stateless: true,
    });
    const spoken = { revision: translatedRevision, session, stateless: false };
    this.#send(x, endpoint, principal, spoken, toHandshake(request), sink, true);
  }

  /** What passes as it is, save that the gateway's own limits are part of what a server announces. */
  #passing(x: Exchange, request: Asked): Sink {
    if (request.method !== "server/discover") return new Relay(x);
    return new Rewriter(x, {
      rewrite: (message) => ({ kind: "pass", message: announceReachable(message) }),
      messageBytes: this.#messageBytes,
      stateless: true,
    });
  }

  #send(
    x: Exchange,
    endpoint: Endpoint,
    principal: Principal,
    spoken: Spoken,
    body: Buffer | string,
    sink: Sink,
    cancelOnLeave = spoken.stateless,
  ): void {
    const headers = upstreamHeaders(x, endpoint, principal, this.#credentials, spoken);
    const windowMs = endpoint.requestWindowMs;
    void new Forward(
      x,
      this.#leases,
      { target: endpoint.target, headers, body, windowMs, cancelOnLeave },
      sink,
    );
  }
}

function requireEra(endpoint: Endpoint, era: "handshake"): void {
  if (endpoint.eras.includes(era)) return;
  throw new Refusal(
    "protocol",
    400,
    "This server speaks only the stateless revision 2026-07-28; use a client that does too.",
    { code: codes.unsupportedVersion, data: { supported: ["2026-07-28"] } },
  );
}

function resultText(request: Asked, result: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id: request.id, result });
}

const hashes = new WeakMap<Manifest, Map<CapabilityKind, Map<string, string>>>();

/** Notes which definition of the named capability was in force. */
function noteCapability(x: Exchange, manifest: Manifest): void {
  const { capability_kind: kind, capability_name: name } = x.record;
  if (kind === null || name === null) return;
  let kinds = hashes.get(manifest);
  if (kinds === undefined) {
    kinds = new Map();
    for (const item of manifest.items) {
      let names = kinds.get(item.kind);
      if (names === undefined) kinds.set(item.kind, (names = new Map()));
      names.set(item.name, item.hash);
    }
    hashes.set(manifest, kinds);
  }
  x.record.capability_hash = kinds.get(kind as CapabilityKind)?.get(name) ?? null;
}
