import { randomText } from "../../lib/ids.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { translatedRevision } from "../../mcp/envelope.ts";
import type { StatelessEnvelope } from "../../mcp/stateless.ts";
import { type Spoken, standingHeaders, upstreamHeaders } from "../credential.ts";
import type { HeldSession } from "../held-sessions.ts";
import type { Held } from "../leases.ts";
import type { Services } from "../services.ts";
import { helloOf } from "../session.ts";
import type { Turn } from "../turn.ts";
import type { EarMember, Ears } from "./ear.ts";
import { endAt, post } from "./post.ts";

/** A session at an upstream of the handshake era, in which one call of a stateless client is made. */
export interface Speaking {
  /** Of every message of this call. */
  readonly headers: string[];
  /** Tells the upstream something besides the call; resolves once it was taken. */
  tell(held: Held, message: JsonObject): Promise<void>;
  /** Before the call: what the upstream says in the session without relating it to a call is heard. */
  listen?(member: EarMember): Promise<void>;
  /** The call is over. `held`: where it was made, if it came that far. */
  end(held: Held | undefined): void;
  /** After the upstream lost the session: another one in its place. Absent where it opens lost ones by itself. */
  again?(): Promise<Speaking>;
}

/** At an instance, a session of its own: it is opened by what the header says, and ends with the call. */
export function ownSession(
  turn: Turn,
  services: Services,
  envelope: StatelessEnvelope,
  capabilities: JsonObject,
): Speaking {
  const client = { name: envelope.clientName, version: envelope.clientVersion };
  const headers = upstreamHeaders(turn.x, turn.endpoint, turn.principal, services.credentials, {
    revision: translatedRevision,
    session: randomText(26),
    hello: helloOf(translatedRevision, client, capabilities),
    stateless: false,
  });
  return {
    headers,
    tell: (held, message) => told(held, headers, message),
    end: (held) => {
      // The instance ends what rests in it by itself.
      if (held !== undefined && !held.lost) endAt(held, headers).catch(() => {});
    },
  };
}

/** At an external server, the session that the gateway holds there for this principal and these capabilities. */
export async function sharedSession(
  turn: Turn,
  services: Services,
  capabilities: JsonObject,
  ears: Ears,
): Promise<Speaking> {
  const held = await services.heldSessions.take(turn, capabilities);
  return new Sharing(held, turn, services, capabilities, ears);
}

class Sharing implements Speaking {
  readonly headers: string[];
  readonly listen?: (member: EarMember) => Promise<void>;
  readonly #held: HeldSession;
  readonly #turn: Turn;
  readonly #services: Services;
  readonly #capabilities: JsonObject;
  readonly #ears: Ears;
  #leave: (() => void) | undefined;
  #over = false;

  constructor(held: HeldSession, turn: Turn, services: Services, capabilities: JsonObject, ears: Ears) {
    this.#held = held;
    this.#turn = turn;
    this.#services = services;
    this.#capabilities = capabilities;
    this.#ears = ears;
    const { x, endpoint, principal } = turn;
    this.headers = upstreamHeaders(x, endpoint, principal, services.credentials, this.#spoken());
    services.heldSessions.begin(held);
    // Where nobody can be asked, there is nothing to hear.
    const asked = Object.keys(capabilities).length > 0 && held.upstream.id !== undefined;
    if (asked) this.listen = (member) => this.#listen(member);
  }

  tell(at: Held, message: JsonObject): Promise<void> {
    return told(at, this.headers, message);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave?.();
    this.#services.heldSessions.end(this.#held);
  }

  async again(): Promise<Speaking> {
    this.end();
    const held = await this.#services.heldSessions.retake(this.#turn, this.#capabilities, this.#held);
    return new Sharing(held, this.#turn, this.#services, this.#capabilities, this.#ears);
  }

  async #listen(member: EarMember): Promise<void> {
    const { leases, credentials, limits } = this.#services;
    const { endpoint, principal } = this.#turn;
    const at = await leases.take(endpoint.upstream);
    const headers = standingHeaders(endpoint, principal, credentials, this.#spoken());
    const leave = await this.#ears.join(
      this.#held,
      () => ({
        held: at,
        standing: { method: "GET", headers },
        messageBytes: limits.messageBytes,
        tell: (message) => told(at, headers, message),
      }),
      member,
    );
    if (this.#over) leave();
    else this.#leave = leave;
  }

  #spoken(): Spoken {
    const { revision, id } = this.#held.upstream;
    return { revision, session: id, stateless: false };
  }
}

/** The same session, once its server knows which log messages are wanted there. */
export async function withLevel(
  opening: Speaking | Promise<Speaking>,
  { endpoint }: Turn,
  services: Services,
  level: string,
): Promise<Speaking> {
  const speaking = await opening;
  try {
    const held = await services.leases.take(endpoint.upstream);
    const message = { jsonrpc: "2.0", id: randomText(12), method: "logging/setLevel", params: { level } };
    await speaking.tell(held, message);
  } catch {
    // A server that does not take it says what it says.
  }
  return speaking;
}

async function told(held: Held, headers: string[], message: JsonObject): Promise<void> {
  const status = await post(held, headers, message);
  if (status >= 300) throw new Error(`The server answered it with HTTP ${status}.`);
}
