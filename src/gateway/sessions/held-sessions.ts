import { canonicalJson } from "../../lib/canonical.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { newestHandshake } from "../../mcp/eras.ts";
import type { Upstream } from "../../snapshot/snapshot.ts";
import { endSession, openSession, type UpstreamSession } from "../../upstream/handshake.ts";
import { disowns } from "../exchange/era-watch.ts";
import { unopened } from "../exchange/external.ts";
import { openingHeaders } from "../exchange/credential.ts";
import { Refusal } from "../refusal.ts";
import type { Ground } from "../ground.ts";
import { clientOf, principalId } from "./session.ts";
import type { Turn } from "../turn.ts";

/** A session that the gateway holds at an external server for stateless clients; their calls share it. */
export interface HeldSession {
  /** The server's own id and what it agreed on; never shown to a client. */
  readonly upstream: UpstreamSession;
  readonly key: string;
  readonly at: Upstream;
  /** Calls under way. */
  uses: number;
  /** Calls to which it was given as one of their own, and that have not begun. */
  promised: number;
  /** Monotonic milliseconds of the last use. */
  usedAt: number;
  /** Aborted once it is held no more: idle, lost or closed. */
  readonly life: AbortController;
}

/** Sessions of one principal at one endpoint; one for each set of capabilities that its clients declare. */
const PER_PRINCIPAL = 16;
const IN_ALL = 10_000;
const IDLE_MS = 5 * 60_000;
const SWEEP_MS = 5_000;
export const OPEN_MS = 30_000;
export const OPEN_BYTES = 1024 * 1024;

/**
 * Upstream sessions at external servers of the handshake era, one for each
 * endpoint, principal and set of client capabilities: opened on demand, shared
 * by concurrent calls, opened anew when the server has lost one, ended when idle.
 */
export class HeldSessions {
  readonly #services: Pick<Ground, "leases" | "credentials" | "clock">;
  readonly #idleMs: number;
  readonly #held = new Map<string, HeldSession>();
  readonly #opening = new Map<string, Promise<HeldSession>>();
  /** Sessions by endpoint and principal, those that are being opened included. */
  readonly #counts = new Map<string, number>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(services: Pick<Ground, "leases" | "credentials" | "clock">, idleMs = IDLE_MS) {
    this.#services = services;
    this.#idleMs = idleMs;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(10, Math.min(idleMs / 4, SWEEP_MS)));
    this.#sweeper.unref();
  }

  /**
   * The session for a turn, at once where it is open. `logs`: its server is to
   * send log messages. Rejects with a Refusal.
   */
  take(turn: Turn, given: JsonObject, logs = false): HeldSession | Promise<HeldSession> {
    // Bounded as those of a session of our own are.
    const { capabilities } = clientOf({ capabilities: given });
    const key = `${ownerOf(turn)}\n${canonicalJson(capabilities)}`;
    const asked = Object.keys(capabilities).length > 0;
    const alone = (asked || logs) && relatesNothing(turn);
    // What wants neither shares the first, where no log messages are to come.
    const free = alone ? this.#takeFree(turn, key, capabilities, asked ? 1 : 2) : undefined;
    if (free !== undefined) return free;
    // Past the bound any one with the same capabilities is shared.
    const most = this.#isFull(turn) ? PER_PRINCIPAL : 1;
    for (let n = 1; n <= most; n++) {
      const there = this.#held.get(nth(key, n)) ?? this.#opening.get(nth(key, n));
      if (there !== undefined) return there;
    }
    return this.#open(turn, key, capabilities);
  }

  /** In the place of a session that its server does not know any more; all who lost it share the new one. */
  retake(turn: Turn, given: JsonObject, lost: HeldSession, logs = false): HeldSession | Promise<HeldSession> {
    if (this.#held.get(lost.key) === lost) this.#forget(lost);
    return this.take(turn, given, logs);
  }

  begin(held: HeldSession): void {
    held.uses++;
    if (held.promised > 0) held.promised--;
  }

  end(held: HeldSession): void {
    held.uses--;
    held.usedAt = this.#services.clock.monotonic();
  }

  /** Ends every session. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.allSettled(this.#opening.values());
    const all = [...this.#held.values()];
    for (const held of all) this.#forget(held);
    await Promise.all(all.map((held) => this.#tell(held)));
  }

  /**
   * A session in which no other call is under way, so that what its server asks
   * and logs belongs to this one: the `first` of them or a later one; undefined
   * past the bound.
   */
  #takeFree(
    turn: Turn,
    key: string,
    capabilities: JsonObject,
    first: number,
  ): HeldSession | Promise<HeldSession> | undefined {
    const full = this.#isFull(turn);
    for (let n = first; n <= PER_PRINCIPAL; n++) {
      const free = nth(key, n);
      const held = this.#held.get(free);
      if (held !== undefined && held.uses + held.promised === 0) {
        held.promised++;
        return held;
      }
      if (held === undefined && !this.#opening.has(free) && !full) {
        return this.#open(turn, free, capabilities).then((opened) => {
          opened.promised++;
          return opened;
        });
      }
    }
    return undefined;
  }

  #isFull(turn: Turn): boolean {
    return (this.#counts.get(ownerOf(turn)) ?? 0) >= PER_PRINCIPAL;
  }

  #open(turn: Turn, key: string, capabilities: JsonObject): Promise<HeldSession> {
    const owner = ownerOf(turn);
    const count = this.#counts.get(owner) ?? 0;
    if (count >= PER_PRINCIPAL || this.#held.size + this.#opening.size >= IN_ALL) {
      return Promise.reject(tooMany());
    }
    this.#counts.set(owner, count + 1);
    const opening = this.#dial(turn, key, capabilities).then(
      (held) => {
        this.#opening.delete(key);
        this.#held.set(key, held);
        return held;
      },
      (error: unknown) => {
        this.#opening.delete(key);
        this.#uncount(owner);
        const { upstream } = turn.endpoint;
        if (upstream.kind === "external" && disowns(error)) this.#services.leases.doubt(upstream);
        throw unopened(error);
      },
    );
    this.#opening.set(key, opening);
    return opening;
  }

  async #dial(turn: Turn, key: string, capabilities: JsonObject): Promise<HeldSession> {
    const { leases, credentials, clock } = this.#services;
    const { upstream: at } = turn.endpoint;
    const { dial } = await leases.take(at);
    const hello = {
      protocolVersion: newestHandshake,
      // Its calls may be of several clients.
      clientInfo: { name: "offing", version: "1" },
      capabilities,
    };
    const headers = openingHeaders(turn.x, turn.endpoint, turn.principal, credentials);
    const upstream = await openSession(dial, hello, headers, {
      signal: AbortSignal.timeout(OPEN_MS),
      maxBytes: OPEN_BYTES,
    });
    return {
      upstream,
      key,
      at,
      uses: 0,
      promised: 0,
      usedAt: clock.monotonic(),
      life: new AbortController(),
    };
  }

  #sweep(): void {
    const oldest = this.#services.clock.monotonic() - this.#idleMs;
    for (const held of this.#held.values()) {
      if (held.uses > 0 || held.usedAt > oldest) continue;
      this.#forget(held);
      void this.#tell(held);
    }
  }

  #forget(held: HeldSession): void {
    this.#held.delete(held.key);
    this.#uncount(held.key.slice(0, held.key.lastIndexOf("\n")));
    held.life.abort();
  }

  #uncount(owner: string): void {
    const count = (this.#counts.get(owner) ?? 1) - 1;
    if (count > 0) this.#counts.set(owner, count);
    else this.#counts.delete(owner);
  }

  async #tell({ at, upstream }: HeldSession): Promise<void> {
    const { dial } = await this.#services.leases.take(at);
    await endSession(dial, upstream);
  }
}

/** Whether a server cannot say to which of several calls something belongs that it asks. */
function relatesNothing({ endpoint: { upstream } }: Turn): boolean {
  return upstream.kind === "external" && upstream.transport === "sse";
}

/** The key of the nth session of those with the same capabilities. */
function nth(key: string, n: number): string {
  return n === 1 ? key : `${key}${n}`;
}

function ownerOf({ endpoint, principal }: Turn): string {
  return `${endpoint.id}\n${principalId(principal)}`;
}

function tooMany(): Refusal {
  return new Refusal(
    "limit",
    429,
    `Your clients hold ${PER_PRINCIPAL} sessions at this server, each with other capabilities. Use fewer kinds of clients, or wait until one has been idle for some minutes.`,
    { headers: { "retry-after": "60" } },
  );
}
