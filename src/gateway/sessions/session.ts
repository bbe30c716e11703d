import { hash } from "node:crypto";
import { randomText } from "../../lib/ids.ts";
import { Lru } from "../../lib/lru.ts";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { shortText } from "../../mcp/stateless.ts";
import type { Principal } from "../../policy/decide.ts";
import {
  SESSION_IDLE_MS,
  type SessionNews,
  type SessionRow,
  type SessionState,
} from "../../snapshot/session.ts";
import type { Endpoint, Snapshot } from "../../snapshot/snapshot.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Sessions } from "../ports.ts";
import { Refusal } from "../refusal.ts";
import { isClaims, type SessionClaims } from "./session-claims.ts";
import type { Turn } from "../turn.ts";

/** An open session and the id under which its instance knows it. */
export interface OpenSession {
  readonly claims: SessionClaims;
  readonly upstreamId: string;
  /** The handshake as a header says it to an instance, which repeats it where it does not know the session. */
  readonly hello: string;
  /** When this process last told of its use; milliseconds since 1970. */
  toldAt: number;
}

/** Where a session is used: it is bound to both. */
type Place = Pick<Turn, "endpoint" | "principal">;

/** However much it is used. */
const LIFE_MS = 7 * 24 * 60 * 60 * 1000;
/** How exact it is known for how long a session goes on. */
const STEP_MS = 60 * 60 * 1000;
/** Sessions that are carried on at a time, by one process; the others wait for their next use. */
const MOST_CARRYING = 64;
/** How exact the last use of a session is known. */
const TELL_MS = 60_000;
/** Of client capabilities as UTF-8 JSON that are sealed in; a header must carry them. */
const CAPABILITY_BYTES = 2048;

/**
 * Open handshake sessions of one principal at one server of which something is published: a log level, subscriptions,
 * another upstream session. Every gateway keeps it in memory; of the others none keeps anything.
 */
export const MOST_KEPT = 500;

/** Those of which only this is published that they go on, since they are used; the others end a day after they began. */
export const MOST_EXTENDED = 2_000;

/** Mints, opens and ends the sessions of handshake clients. Opened ids are remembered for speed only. */
export class SessionBook {
  readonly #sessions: Sessions;
  readonly #snapshot: Snapshot;
  readonly #now: () => number;
  readonly #opened = new Lru<string, OpenSession>(10_000);
  /** Sealed upstream ids that took the place of the first, opened. */
  readonly #rebound = new Lru<string, string>(10_000);
  /** Publications under way that carry a session on. */
  #carrying = 0;

  constructor(sessions: Sessions, snapshot: Snapshot, now: () => number) {
    this.#sessions = sessions;
    this.#snapshot = snapshot;
    this.#now = now;
  }

  /** The id under which an instance will know a new session, before its revision is agreed. */
  begin(): { readonly sid: string; readonly upstreamId: string } {
    const sid = `ses_${randomText(26)}`;
    return { sid, upstreamId: upstreamId(sid) };
  }

  /** The session id for the client: sealed, so that any replica can open it and nobody forge it. */
  mint(
    sid: string,
    endpoint: Endpoint,
    principal: Principal,
    params: JsonObject,
    revision: string,
    upstream?: string,
    listens = false,
  ): string {
    const claims: SessionClaims = {
      v: 1,
      sid,
      organization: endpoint.organization.id,
      endpoint: endpoint.id,
      principal: principalId(principal),
      revision,
      ...clientOf(params),
      expires: this.#now() + SESSION_IDLE_MS,
      ...(upstream === undefined ? {} : { upstream }),
      ...(listens ? { listens } : {}),
    };
    const token = this.#sessions.seal(claims);
    const session = opened(claims);
    this.#opened.set(token, session);
    this.#tell(endpoint, session);
    return token;
  }

  /**
   * The session that the request names. Missing: 400. Unknown, expired, ended,
   * another principal's or another endpoint's: one and the same 404, after
   * which a client initializes anew (2025-11-25, basic/transports).
   */
  open(x: Exchange, endpoint: Endpoint, principal: Principal): OpenSession {
    const token = x.req.headers["mcp-session-id"];
    if (typeof token !== "string") {
      throw new Refusal(
        "session",
        400,
        "The header Mcp-Session-Id is missing. Send `initialize` first, then repeat the id it answered with.",
      );
    }
    const session = this.#opened.get(token) ?? this.#unseal(token);
    if (session === undefined) throw ended("unknown");
    const { claims } = session;
    if (claims.endpoint !== endpoint.id || claims.organization !== endpoint.organization.id) {
      throw ended("of another endpoint");
    }
    if (claims.principal !== principalId(principal)) throw ended("of another principal");
    const now = this.#now();
    const over = this.#over(claims, endpoint.server.id, now);
    if (over !== undefined) throw ended(over);
    x.record.session = claims.sid;
    x.record.client_name = claims.client.name;
    x.record.client_version = claims.client.version;
    x.record.protocol_version = claims.revision;
    if (now - session.toldAt >= TELL_MS) this.#tell(endpoint, session);
    return session;
  }

  /** Ends a session; every gateway refuses it from then on. */
  async end({ endpoint }: Place, session: OpenSession): Promise<void> {
    await this.#sessions.publish(this.#row(endpoint, session), { ended: true });
  }

  /** The least severe log level that the session's client asked for; undefined: it never asked. */
  level(session: OpenSession): string | undefined {
    return this.#snapshot.session(session.claims.sid)?.level;
  }

  /** Keeps a level for the rest of the session, at every gateway. */
  async setLevel({ endpoint }: Place, session: OpenSession, level: string): Promise<void> {
    if (this.level(session) === level) return;
    await this.#keep(endpoint, session, { level });
  }

  /** The resources that the session is subscribed to, by their URIs. */
  subscriptions({ claims }: OpenSession): readonly string[] {
    return this.#snapshot.session(claims.sid)?.subscriptions ?? [];
  }

  /** Keeps a subscription for the rest of the session, at every gateway. */
  async subscribe({ endpoint }: Pick<Place, "endpoint">, session: OpenSession, uri: string): Promise<void> {
    if (this.subscriptions(session).includes(uri)) return;
    await this.#keep(endpoint, session, { subscribed: uri });
  }

  async unsubscribe({ endpoint }: Pick<Place, "endpoint">, session: OpenSession, uri: string): Promise<void> {
    if (!this.subscriptions(session).includes(uri)) return;
    await this.#sessions.publish(this.#row(endpoint, session), { unsubscribed: uri });
  }

  /** Whether a session that was open has ended since, or expired. */
  isOver({ claims }: OpenSession, { server }: Endpoint): boolean {
    return this.#over(claims, server.id, this.#now()) !== undefined;
  }

  /** A session is used by somebody who listens in it, without a request. */
  use(endpoint: Endpoint, session: OpenSession): void {
    if (this.#now() - session.toldAt >= TELL_MS) this.#tell(endpoint, session);
  }

  /** The id under which an external upstream knows the session now; undefined: it gave none. */
  upstreamSession({ claims }: OpenSession): string | undefined {
    const sealed = this.#snapshot.session(claims.sid)?.upstream;
    if (sealed === undefined) return claims.upstream;
    let id = this.#rebound.get(sealed);
    if (id === undefined) {
      const value = this.#sessions.open(sealed);
      if (!isObject(value) || value["session"] !== claims.sid) return claims.upstream;
      if (typeof value["upstream"] !== "string") return claims.upstream;
      id = value["upstream"];
      this.#rebound.set(sealed, id);
    }
    return id;
  }

  /** Puts another upstream session behind a session, at every gateway: its upstream forgot the one before. */
  async rebind({ endpoint }: Place, session: OpenSession, upstream: string): Promise<void> {
    const sealed = this.#sessions.seal({ session: session.claims.sid, upstream });
    await this.#keep(endpoint, session, { upstream: sealed });
  }

  /**
   * Throws where a principal is to begin no more sessions at a server. Callers that have not proved who they are share
   * their number, so one of them would keep the others out: those are refused what is kept, and not the session.
   */
  admit({ endpoint, principal }: Place): void {
    if (principal.kind !== "anonymous" && this.#isFull(endpoint, principal.id)) throw tooMany();
  }

  /** Throws where nothing can be kept of a session, as its principal has too many others of which something is. */
  judgeKept({ endpoint }: Pick<Place, "endpoint">, { claims }: OpenSession): void {
    if (this.#snapshot.session(claims.sid) !== undefined) return;
    if (this.#isFull(endpoint, claims.principal)) throw tooMany();
  }

  #isFull({ server }: Endpoint, principal: string): boolean {
    return this.#snapshot.keptSessions({ server: server.id, principal }, "set") >= MOST_KEPT;
  }

  /** Why a session is over; undefined: it is not. */
  #over(claims: SessionClaims, server: string, now: number): "expired" | "ended" | undefined {
    const state = this.#snapshot.session(claims.sid);
    if (state?.ended === true) return "ended";
    if (untilOf(claims, state) <= now) return "expired";
    if (state !== undefined) return;
    return beganAt(claims) <= this.#snapshot.endedBefore(server, claims.principal) ? "ended" : undefined;
  }

  async #keep(endpoint: Endpoint, session: OpenSession, news: SessionNews): Promise<void> {
    this.judgeKept({ endpoint }, session);
    await this.#sessions.publish(this.#row(endpoint, session), news);
  }

  #tell(endpoint: Endpoint, session: OpenSession): void {
    const now = this.#now();
    const { claims } = session;
    const state = this.#snapshot.session(claims.sid);
    const until = Math.min(now + SESSION_IDLE_MS, beganAt(claims) + LIFE_MS);
    if (until - untilOf(claims, state) >= STEP_MS && this.#mayCarryOn(endpoint, claims, state)) {
      if (this.#carrying >= MOST_CARRYING) return;
      this.#carrying++;
      this.#sessions
        .publish(this.#row(endpoint, session), { until })
        // It is there for a day still, and carried on by the next use.
        .catch(() => {})
        .finally(() => this.#carrying--);
    } else this.#sessions.seen(this.#row(endpoint, session));
    session.toldAt = now;
  }

  #mayCarryOn({ server }: Endpoint, { principal }: SessionClaims, state: SessionState | undefined): boolean {
    if (state !== undefined) return true;
    return this.#snapshot.keptSessions({ server: server.id, principal }, "extended") < MOST_EXTENDED;
  }

  #row(endpoint: Endpoint, { claims }: OpenSession): SessionRow {
    return {
      id: claims.sid,
      organization: claims.organization,
      server: endpoint.server.id,
      endpoint: claims.endpoint,
      deployment: endpoint.deployment,
      kind: "handshake",
      principal: claims.principal,
      clientName: claims.client.name,
      clientVersion: claims.client.version,
      revision: claims.revision,
      createdAt: beganAt(claims),
      seenAt: this.#now(),
      expiresAt: untilOf(claims, this.#snapshot.session(claims.sid)),
    };
  }

  #unseal(token: string): OpenSession | undefined {
    if (token.length > 8192) return;
    const claims = this.#sessions.open(token);
    if (!isClaims(claims)) return;
    const session = opened(claims);
    this.#opened.set(token, session);
    return session;
  }
}

function beganAt({ expires }: SessionClaims): number {
  return expires - SESSION_IDLE_MS;
}

/** When it expires, in milliseconds since 1970, unless it is used before. */
function untilOf({ expires }: SessionClaims, state: SessionState | undefined): number {
  return state?.until ?? expires;
}

/** What is kept of a client's own words in `initialize`. */
export function clientOf(params: JsonObject): Pick<SessionClaims, "client" | "capabilities"> {
  const given = params["capabilities"];
  const client = isObject(params["clientInfo"]) ? params["clientInfo"] : {};
  const fits = isObject(given) && Buffer.byteLength(JSON.stringify(given)) <= CAPABILITY_BYTES;
  return {
    client: { name: shortText(client["name"]), version: shortText(client["version"]) },
    capabilities: fits ? given : {},
  };
}

function opened(claims: SessionClaims): OpenSession {
  const { sid, revision, client, capabilities } = claims;
  return { claims, upstreamId: upstreamId(sid), hello: helloOf(revision, client, capabilities), toldAt: 0 };
}

/** base64url of JSON `{protocolVersion, clientInfo, capabilities}`, as `initialize` has them. */
export function helloOf(revision: string, client: SessionClaims["client"], capabilities: JsonObject): string {
  const clientInfo = { name: client.name ?? "unknown", version: client.version ?? "" };
  return Buffer.from(JSON.stringify({ protocolVersion: revision, clientInfo, capabilities })).toString(
    "base64url",
  );
}

function ended(because: string): Refusal {
  return new Refusal("session", 404, "This session is not known here or is over. Send `initialize` again.", {
    because: `session ${because}`,
  });
}

function tooMany(): Refusal {
  return new Refusal(
    "limit",
    429,
    `You have ${MOST_KEPT} open sessions at this server that keep a log level or subscriptions, which is the most. End those that you do not need with DELETE (\`offing sessions SERVER\` lists them), or wait: each ends 24 hours after its last use.`,
    { headers: { "retry-after": "3600" } },
  );
}

/** One way: an instance that knows its id can name no session of the gateway. */
function upstreamId(sid: string): string {
  return hash("sha256", `upstream-session:${sid}`).slice(0, 32);
}

/** Who a session or a state belongs to. */
export function principalId(principal: Principal): string {
  return principal.kind === "anonymous" ? "anonymous" : principal.id;
}
