import { Lru } from "../../lib/lru.ts";
import { openSession } from "../../upstream/handshake.ts";
import { openingHeaders, type Spoken } from "../exchange/credential.ts";
import { disowns } from "../exchange/era-watch.ts";
import { unopened } from "../exchange/external.ts";
import { OPEN_BYTES, OPEN_MS } from "./held-sessions.ts";
import { Refusal } from "../refusal.ts";
import type { Ground } from "../ground.ts";
import type { OpenSession } from "./session.ts";
import type { Turn } from "../turn.ts";

type Needed = Pick<Ground, "leases" | "credentials" | "book">;

/**
 * The sessions of handshake clients as their upstreams know them: an instance by
 * an opaque id of ours, an external server by the id that it gave itself, which
 * is sealed into ours and never shown.
 */
export class UpstreamSessions {
  readonly #services: Needed;
  readonly #opening = new Map<string, Promise<string | undefined>>();
  /** Session → the upstream's id, where it could not be published; "": it keeps no sessions any more. */
  readonly #unpublished = new Lru<string, string>(10_000);

  constructor(services: Needed) {
    this.#services = services;
  }

  /** In which words a session's requests go upstream. */
  spokenIn({ endpoint }: Pick<Turn, "endpoint">, session: OpenSession): Spoken {
    const { claims, upstreamId, hello } = session;
    return endpoint.upstream.kind === "hosted"
      ? { revision: claims.revision, session: upstreamId, hello, stateless: false }
      : { revision: claims.revision, session: this.idOf(session), stateless: false };
  }

  /** The id that an external server gave a session; undefined: it keeps no sessions. */
  idOf(session: OpenSession): string | undefined {
    const id = this.#unpublished.get(session.claims.sid) ?? this.#services.book.upstreamSession(session);
    return id === "" ? undefined : id;
  }

  /**
   * Opens a session anew that an external server has lost, in the client's own
   * words, once for all who lost it; other gateway processes learn of it.
   * Resolves with the server's new id. Rejects with a Refusal.
   */
  reopen(turn: Turn, session: OpenSession, lost: string): Promise<string | undefined> {
    const present = this.idOf(session);
    if (present !== lost) return Promise.resolve(present);
    const { sid } = session.claims;
    let opening = this.#opening.get(sid);
    if (opening === undefined) {
      opening = this.#open(turn, session, lost).finally(() => this.#opening.delete(sid));
      this.#opening.set(sid, opening);
    }
    return opening;
  }

  async #open(turn: Turn, session: OpenSession, lost: string): Promise<string | undefined> {
    const { leases, credentials, book } = this.#services;
    const { sid, revision, client, capabilities } = session.claims;
    // Another process may have been first.
    const published = book.upstreamSession(session);
    if (published !== lost && published !== undefined) {
      this.#unpublished.delete(sid);
      return published === "" ? undefined : published;
    }
    const { dial } = await leases.take(turn.endpoint.upstream);
    const hello = {
      protocolVersion: revision,
      clientInfo: { name: client.name ?? "unknown", version: client.version ?? "" },
      capabilities,
    };
    const headers = openingHeaders(turn.x, turn.endpoint, turn.principal, credentials);
    const opened = await openSession(dial, hello, headers, {
      signal: AbortSignal.timeout(OPEN_MS),
      maxBytes: OPEN_BYTES,
    }).catch((error: unknown) => {
      const { upstream } = turn.endpoint;
      if (upstream.kind === "external" && disowns(error)) leases.doubt(upstream);
      throw unopened(error);
    });
    if (opened.revision !== revision) {
      throw new Refusal("session", 404, "The server speaks another revision now. Send `initialize` again.", {
        because: `upstream changed from ${revision} to ${opened.revision}`,
      });
    }
    const id = opened.id ?? "";
    await book.rebind(turn, session, id).then(
      () => this.#unpublished.delete(sid),
      () => this.#unpublished.set(sid, id),
    );
    return opened.id;
  }
}
