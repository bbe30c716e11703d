import type { Principal } from "../policy/decide.ts";
import type { EraRefusal } from "../snapshot/era-refusals.ts";
import type { SessionNews, SessionRow } from "../snapshot/session.ts";
import type { Endpoint, Target, Upstream } from "../snapshot/snapshot.ts";

/** Proves who sent a request. Synchronous: it answers from memory. */
export interface Tokens {
  /**
   * Undefined for a token that is unknown, revoked, or not ours. `hash` is the
   * token's SHA-256 in hex, so that it need not be computed for every request.
   */
  verify(
    token: string,
    hash: string,
  ): { readonly principal: Principal; readonly token: string; readonly kind: "api_key" } | undefined;
}

/** What is presented upstream on the caller's behalf. */
export interface Credentials {
  headers(endpoint: Endpoint, principal: Principal): Readonly<Record<string, string>>;
}

/** A claim on a running instance. The holder keeps it over many requests. */
export interface Lease {
  readonly instance: string;
  /** Where the instance listens; opaque, understood by `upstream/` only. */
  readonly address: string;
  /** Aborted when the instance is gone; the lease is then void. */
  readonly lost: AbortSignal;
  release(): void;
}

/** Finds or starts an instance. May take a cold start's time. */
export interface Instances {
  acquire(target: Target): Promise<Lease>;
}

/** Seals and opens session tokens, and keeps what they cannot carry. */
export interface Sessions {
  /** Visible ASCII, authenticated and encrypted. `claims` is JSON-compatible. */
  seal(claims: object): string;
  /** Undefined when the token was not sealed by this system. */
  open(token: string): unknown;
  /** Notes a session that began or was used, off the path; never blocks, never throws. */
  seen(row: SessionRow): void;
  /**
   * Begins a virtual session, unless it has begun and is not over, and publishes
   * it. Resolves when this gateway knows; with false where its principal has too many.
   */
  begin(row: SessionRow): Promise<boolean>;
  /** Publishes what changed of a session to every replica. Resolves when this one knows. */
  publish(row: SessionRow, news: SessionNews): Promise<void>;
}

/** What is believed of upstreams, and turns out to be otherwise. */
export interface Upstreams {
  /**
   * An answer contradicts the eras in which the server was found to speak: it
   * is asked anew, off the path. Never blocks, never throws.
   */
  doubt(upstream: Upstream & { kind: "external" }): void;
  /**
   * A capability refused to be called in an era that it was thought to serve.
   * Decides from the next call on: at once here, soon at every gateway. Never
   * blocks, never throws.
   */
  refused(refusal: EraRefusal): void;
}

/**
 * The gateway processes that serve together. What lives in one of them (a
 * parked call, a stream's replay buffer) names its holder, and the others hand
 * requests for it over.
 */
export interface Peers {
  /** This process's name; letters, digits, `_` and `-`, unique over all that ever ran. */
  readonly self: string;
  /** Where `holder` takes requests over: `unix:<path>`. Undefined when it is gone. */
  address(holder: string): string | undefined;
  /** The names of all others that serve now. */
  others(): Iterable<string>;
  /**
   * Tells the others that a session's standing stream is here from now on.
   * Answers the time of now, by a clock that all of them share. Never blocks,
   * never throws.
   */
  stands(session: string): number;
}

export type Boundary =
  | "routing"
  | "protocol"
  | "authentication"
  | "limit"
  | "authorization"
  | "session"
  | "interceptor"
  | "credential"
  | "runtime"
  | "upstream";

/** One row per HTTP request to the gateway, refused ones too. Durations in milliseconds. */
export interface RequestRecord {
  id: string;
  at: number;
  organization: string | null;
  server: string | null;
  deployment: string | null;
  artifact: string | null;
  scope: string | null;
  era: "handshake" | "stateless" | null;
  protocol_version: string | null;
  transport: string;
  http_method: string;
  method: string | null;
  capability_kind: string | null;
  capability_name: string | null;
  capability_hash: string | null;
  principal_kind: string | null;
  principal: string | null;
  client_name: string | null;
  client_version: string | null;
  auth_kind: "api_key" | "none";
  key: string | null;
  session: string | null;
  ip: string | null;
  decision: "allow" | "deny" | null;
  because: string | null;
  boundary: Boundary | null;
  instance: string | null;
  http_status: number;
  jsonrpc_code: number | null;
  is_error: boolean;
  error: string | null;
  /** How the exchange ended: whole, the client left, or the upstream broke. */
  outcome: "complete" | "client_gone" | "upstream_gone" | "timeout";
  request_bytes: number;
  response_bytes: number;
  stream_events: number;
  t_auth: number;
  t_policy: number;
  t_cold: number;
  t_upstream: number;
  t_total: number;
  trace: string | null;
}

/** Takes one record per request; never blocks, never throws. */
export interface Records {
  write(record: RequestRecord): void;
}
