import { randomText } from "../../lib/ids.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { translatedRevision } from "../../mcp/envelope.ts";
import type { StatelessEnvelope } from "../../mcp/stateless.ts";
import { type Spoken, standingHeaders, upstreamHeaders } from "../exchange/credential.ts";
import type { HeldSession } from "../sessions/held-sessions.ts";
import type { Held } from "../exchange/leases.ts";
import type { Services } from "../services.ts";
import { helloOf } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";
import type { Bridge } from "./bridge.ts";
import type { EarMember } from "./ear.ts";
import { endAt, post } from "../exchange/post.ts";

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

/** What a call wants of a session that others share. */
export interface Shared {
  readonly capabilities: JsonObject;
  /** The least severe log messages that it wants; undefined: none. */
  readonly level: string | undefined;
}

/** At an external server, the session that the gateway holds there for this principal and these capabilities. */
export async function sharedSession(bridge: Bridge, turn: Turn, shared: Shared): Promise<Speaking> {
  const { capabilities, level } = shared;
  const held = await bridge.services.heldSessions.take(turn, capabilities, level !== undefined);
  return Sharing.begin(bridge, turn, shared, held);
}

class Sharing implements Speaking {
  readonly headers: string[];
  readonly listen?: (member: EarMember) => Promise<void>;
  readonly #bridge: Bridge;
  readonly #turn: Turn;
  readonly #shared: Shared;
  readonly #held: HeldSession;
  #leave: (() => void) | undefined;
  #unwant: (() => void) | undefined;
  #over = false;

  constructor(bridge: Bridge, turn: Turn, shared: Shared, held: HeldSession) {
    this.#bridge = bridge;
    this.#turn = turn;
    this.#shared = shared;
    this.#held = held;
    const { x, endpoint, principal } = turn;
    const { credentials, heldSessions } = bridge.services;
    this.headers = upstreamHeaders(x, endpoint, principal, credentials, this.#spoken());
    heldSessions.begin(held);
    // Where nobody can be asked, there is nothing to hear.
    const asked = Object.keys(shared.capabilities).length > 0 && held.upstream.id !== undefined;
    if (asked) this.listen = (member) => this.#listen(member);
  }

  /** Resolves once the server sends the log messages that are wanted of it. */
  static async begin(bridge: Bridge, turn: Turn, shared: Shared, held: HeldSession): Promise<Sharing> {
    const sharing = new Sharing(bridge, turn, shared, held);
    const { level } = shared;
    if (level !== undefined) {
      sharing.#unwant = await bridge.levels.want(held, level, (least) => sharing.#setLevel(least));
    }
    return sharing;
  }

  tell(at: Held, message: JsonObject): Promise<void> {
    return told(at, this.headers, message);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave?.();
    this.#unwant?.();
    this.#bridge.services.heldSessions.end(this.#held);
  }

  async again(): Promise<Speaking> {
    this.end();
    const { heldSessions } = this.#bridge.services;
    const { capabilities, level } = this.#shared;
    const held = await heldSessions.retake(this.#turn, capabilities, this.#held, level !== undefined);
    return Sharing.begin(this.#bridge, this.#turn, this.#shared, held);
  }

  async #setLevel(level: string): Promise<void> {
    const at = await this.#bridge.services.leases.take(this.#turn.endpoint.upstream);
    await told(at, this.headers, setLevel(level));
  }

  async #listen(member: EarMember): Promise<void> {
    const { leases, credentials, limits } = this.#bridge.services;
    const { endpoint, principal } = this.#turn;
    const at = await leases.take(endpoint.upstream);
    const headers = standingHeaders(endpoint, principal, credentials, this.#spoken());
    const leave = await this.#bridge.ears.join(
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

/** A session of one call's own, once its server knows which log messages are wanted there. */
export async function withLevel(
  speaking: Speaking,
  { endpoint }: Turn,
  { leases }: Services,
  level: string,
): Promise<Speaking> {
  try {
    await speaking.tell(await leases.take(endpoint.upstream), setLevel(level));
  } catch {
    // A server that does not take it says what it says.
  }
  return speaking;
}

function setLevel(level: string): JsonObject {
  return { jsonrpc: "2.0", id: randomText(12), method: "logging/setLevel", params: { level } };
}

async function told(held: Held, headers: string[], message: JsonObject): Promise<void> {
  const status = await post(held, headers, message);
  if (status >= 300) throw new Error(`The server answered it with HTTP ${status}.`);
}
