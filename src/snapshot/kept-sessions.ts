/** Whose session it is, and at which server. */
export interface Holder {
  readonly server: string;
  readonly principal: string;
}

/** What is kept of a session: something that its client set, only that it goes on, or only that it has ended. */
export type KeptAs = "set" | "extended" | "ended";

/** Times in milliseconds since 1970. */
export interface KeptSession {
  readonly as: KeptAs;
  readonly began: number;
  readonly expiresAt: number;
}

/** Ended handshake sessions of one principal at one server that are kept one by one. */
export const MOST_ENDED = 10_000;

interface Held {
  readonly set: Map<string, KeptSession>;
  readonly extended: Map<string, KeptSession>;
  readonly ended: Map<string, KeptSession>;
}

/** Handshake sessions of which something is kept in here, by who holds them. */
export class KeptSessions {
  /** Server and principal → its sessions, the longest known first. */
  readonly #held = new Map<string, Held>();
  /** Server and principal → up to when those of its sessions began that are over, save those that are kept. */
  readonly #endedBefore = new Map<string, number>();

  /**
   * Keeps one. Answers the id of another one that is not kept any more in turn:
   * of a principal that has ended more than MOST_ENDED, all are over that began
   * no later than one that was given up, so that none comes back.
   */
  keep(id: string, holder: Holder, session: KeptSession): string | undefined {
    const name = nameOf(holder.server, holder.principal);
    const held = this.#held.get(name) ?? { set: new Map(), extended: new Map(), ended: new Map() };
    this.#held.set(name, held);
    held[session.as].set(id, session);
    if (held.ended.size <= MOST_ENDED) return;
    const [oldest, { began }] = held.ended.entries().next().value!;
    held.ended.delete(oldest);
    // Callers that have not proved who they are share their number: none of them ends the others' sessions.
    if (holder.principal !== "anonymous") {
      this.#endedBefore.set(name, Math.max(began, this.#endedBefore.get(name) ?? 0));
    }
    return oldest;
  }

  drop(id: string, holder: Holder): void {
    const name = nameOf(holder.server, holder.principal);
    const held = this.#held.get(name);
    if (held === undefined) return;
    const { set, extended, ended } = held;
    for (const each of [set, extended, ended]) each.delete(id);
    if (set.size + extended.size + ended.size === 0) this.#held.delete(name);
  }

  /** How many of one principal's at one server have not expired. */
  count({ server, principal }: Holder, as: KeptAs, now: number): number {
    let open = 0;
    const held = this.#held.get(nameOf(server, principal));
    for (const { expiresAt } of held?.[as].values() ?? []) if (expiresAt > now) open += 1;
    return open;
  }

  /** Sessions that began no later, and of which nothing is kept, are over; milliseconds since 1970. */
  endedBefore(server: string, principal: string): number {
    if (this.#endedBefore.size === 0) return 0;
    return this.#endedBefore.get(nameOf(server, principal)) ?? 0;
  }
}

function nameOf(server: string, principal: string): string {
  return `${server}/${principal}`;
}
