/** A session as whoever serves it knows it; times in milliseconds since 1970. */
export interface SessionRow {
  readonly id: string;
  readonly organization: string;
  readonly server: string;
  /** The deployment's id. */
  readonly endpoint: string;
  /** The deployment's slug. */
  readonly deployment: string;
  readonly kind: "handshake" | "virtual";
  readonly principal: string;
  readonly clientName: string | null;
  readonly clientVersion: string | null;
  readonly revision: string;
  readonly createdAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

/** Milliseconds after which a session of which nothing is published is over; each use carries a handshake session on by as much. */
export const SESSION_IDLE_MS = 24 * 60 * 60 * 1000;

/** Of all URIs that one session is subscribed to, as UTF-8; every gateway keeps them in memory. */
export const SUBSCRIPTION_BYTES = 64 * 1024;

/** What of a session every gateway is to know at once; what is left out stays. */
export interface SessionNews {
  /** It is over: refused from then on, until it would have expired. */
  readonly ended?: true;
  /** It was used, and goes on until then; milliseconds since 1970. */
  readonly until?: number;
  /** The least severe log level that its client asked for. */
  readonly level?: string;
  /** The sealed id under which an upstream knows it now. */
  readonly upstream?: string;
  /** The URI of a resource whose updates its client wants, or does not want any more. */
  readonly subscribed?: string;
  readonly unsubscribed?: string;
}

/** What every gateway knows of a session that its id does not carry; of one that has ended, nothing else. */
export interface SessionState {
  readonly ended: boolean;
  /** Of a virtual session: when it began, in milliseconds since 1970. */
  readonly began?: number | undefined;
  /** Of a handshake session: when it expires, in milliseconds since 1970. */
  readonly until?: number | undefined;
  readonly level?: string | undefined;
  readonly upstream?: string | undefined;
  /** URIs of the resources whose updates its client wants. */
  readonly subscriptions?: readonly string[];
}
