import { hash } from "node:crypto";
import { Lru } from "../../lib/lru.ts";
import { metaOf } from "../../mcp/envelope.ts";
import type { SessionRow } from "../../snapshot/session.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { Envelope } from "../admission/envelope.ts";
import type { Sessions } from "../ports.ts";
import { Refusal } from "../refusal.ts";
import { principalId } from "./session.ts";
import type { Turn } from "../turn.ts";

const LIFE_MS = 24 * 60 * 60 * 1000;
/** How exact the last use of a session is known. */
const TELL_MS = 60_000;
/** By which a client names one of several sessions of its own, in `params._meta`: text of at most 200 characters. */
const HANDLE = "offing/session";
const HANDLE_LENGTH = 200;

/** A stateless client's session as its server knows it. */
export interface VirtualSession {
  readonly sid: string;
  /** Opaque; another one once the session is over. */
  readonly upstreamId: string;
  readonly startedAt: number;
  readonly expiresAt: number;
  toldAt: number;
}

type Stateless = Envelope & { kind: "stateless" };

/**
 * The sessions of stateless clients, at servers whose owners want them: one
 * for each endpoint, principal and client name, and where the client gives a
 * handle, for each of its handles. It lasts 24 hours from its first call.
 */
export class VirtualSessions {
  readonly #sessions: Sessions;
  readonly #snapshot: Snapshot;
  readonly #now: () => number;
  readonly #known = new Lru<string, VirtualSession>(10_000);
  readonly #beginning = new Map<string, Promise<VirtualSession>>();

  constructor(sessions: Sessions, snapshot: Snapshot, now: () => number) {
    this.#sessions = sessions;
    this.#snapshot = snapshot;
    this.#now = now;
  }

  /**
   * The session that a call belongs to: at once where it has begun, else a
   * promise of it. Undefined for what belongs to none: lists, callers that
   * have not proved who they are (all of them would share one), and servers
   * that have no such sessions.
   */
  of(turn: Turn, { request, envelope }: Stateless): VirtualSession | Promise<VirtualSession> | undefined {
    const { endpoint, principal } = turn;
    if (!endpoint.virtualSessions || endpoint.upstream.kind !== "hosted") return;
    if (principal.kind === "anonymous" || request.known.needs !== "call") return;
    const handle = metaOf(request.params)?.[HANDLE];
    const named = typeof handle === "string" ? handle.slice(0, HANDLE_LENGTH) : null;
    const { id, organization } = endpoint;
    const key = JSON.stringify([organization.id, id, principalId(principal), envelope.clientName, named]);
    const known = this.#known.get(key);
    const sid = known?.sid ?? `ses_${hash("sha256", `virtual-session:${key}`).slice(0, 26)}`;
    const open = this.#open(key, sid, known);
    if (open === undefined) return this.#begin(turn, envelope, key, sid);
    if (this.#now() - open.toldAt >= TELL_MS) {
      open.toldAt = this.#now();
      this.#sessions.seen(this.#row(turn, envelope, open));
    }
    return open;
  }

  /** The session as it was published, while it is not over. */
  #open(key: string, sid: string, known: VirtualSession | undefined): VirtualSession | undefined {
    const state = this.#snapshot.session(sid);
    if (state?.began === undefined || state.ended || state.began + LIFE_MS <= this.#now()) return;
    if (known?.startedAt === state.began) return known;
    const session = sessionOf(sid, state.began);
    this.#known.set(key, session);
    return session;
  }

  /** All who begin the same session at a time share its beginning. */
  #begin(turn: Turn, envelope: Stateless["envelope"], key: string, sid: string): Promise<VirtualSession> {
    let beginning = this.#beginning.get(sid);
    if (beginning === undefined) {
      const row = this.#row(turn, envelope, sessionOf(sid, this.#now()));
      beginning = this.#sessions
        .begin(row)
        .then((begun) => {
          if (!begun) throw tooMany();
          const open = this.#open(key, sid, undefined);
          if (open === undefined) throw new Error("The session was over before it had begun.");
          open.toldAt = this.#now();
          return open;
        })
        .finally(() => this.#beginning.delete(sid));
      this.#beginning.set(sid, beginning);
    }
    return beginning;
  }

  #row({ endpoint, principal }: Turn, envelope: Stateless["envelope"], session: VirtualSession): SessionRow {
    return {
      id: session.sid,
      organization: endpoint.organization.id,
      server: endpoint.server.id,
      endpoint: endpoint.id,
      deployment: endpoint.deployment,
      kind: "virtual",
      principal: principalId(principal),
      clientName: envelope.clientName,
      clientVersion: envelope.clientVersion,
      revision: envelope.revision,
      createdAt: session.startedAt,
      seenAt: this.#now(),
      expiresAt: session.expiresAt,
    };
  }
}

function sessionOf(sid: string, startedAt: number): VirtualSession {
  return {
    sid,
    // One way: server code that knows its id can name no session of the gateway.
    upstreamId: hash("sha256", `upstream-session:${sid}:${startedAt}`).slice(0, 32),
    startedAt,
    expiresAt: startedAt + LIFE_MS,
    toldAt: 0,
  };
}

function tooMany(): Refusal {
  return new Refusal(
    "limit",
    429,
    "You have too many sessions at this server, one for each client name and handle. Go on with one of them, or wait: each ends 24 hours after it began.",
    { headers: { "retry-after": "3600" } },
  );
}
