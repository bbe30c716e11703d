import { randomText } from "../../lib/ids.ts";
import { newestHandshake } from "../../mcp/eras.ts";
import { endSession, openSession, type UpstreamSession } from "../../upstream/handshake.ts";
import { type Spoken, standingHeaders } from "../exchange/credential.ts";
import { OPEN_BYTES, OPEN_MS } from "../sessions/held-sessions.ts";
import type { Held } from "../exchange/leases.ts";
import { helloOf } from "../sessions/session.ts";
import type { SessionWords } from "./session-source.ts";
import type { Audience, SourceServices } from "./source.ts";

const client = { name: "offing", version: "1" };

/**
 * A session in which the gateway only listens, for stateless clients of an
 * upstream of the handshake era. An instance opens it by itself, under an id of
 * ours; an external server is asked for one before each stream.
 */
export class ListeningSession implements SessionWords {
  readonly whole = false;
  readonly open?: (held: Held) => Promise<void>;
  readonly #services: SourceServices;
  readonly #audience: Audience;
  readonly #name = randomText(26);
  #opened: { readonly held: Held; readonly session: UpstreamSession } | undefined;

  constructor(services: SourceServices, audience: Audience) {
    this.#services = services;
    this.#audience = audience;
    if (audience.endpoint.upstream.kind === "external") this.open = (held) => this.#open(held);
  }

  spoken(): Spoken {
    if (this.open === undefined) {
      const hello = helloOf(newestHandshake, client, {});
      return { revision: newestHandshake, session: this.#name, hello, stateless: false };
    }
    const session = this.#opened?.session;
    return { revision: session?.revision, session: session?.id, stateless: false };
  }

  close(): void {
    if (this.open === undefined) {
      const { leases, credentials } = this.#services;
      const { endpoint, principal } = this.#audience;
      const headers = standingHeaders(endpoint, principal, credentials, this.spoken());
      void leases.tell(endpoint.upstream, "DELETE", headers);
    } else this.#end();
  }

  async #open(held: Held): Promise<void> {
    this.#end();
    const { endpoint, principal } = this.#audience;
    const presented = this.#services.credentials.headers(endpoint, principal);
    const session = await openSession(
      held.dial,
      { protocolVersion: newestHandshake, clientInfo: client, capabilities: {} },
      presented,
      { signal: AbortSignal.timeout(OPEN_MS), maxBytes: OPEN_BYTES },
    );
    this.#opened = { held, session };
  }

  #end(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened !== undefined) void endSession(opened.held.dial, opened.session);
  }
}
