/** Whose session it is, and at which server. */
export interface Holder {
  readonly server: string;
  readonly principal: string;
}

/** Open handshake sessions of which something is kept in here, by who holds them. */
export class KeptSessions {
  /** Server and principal → session → when it expires, in milliseconds since 1970. */
  readonly #held = new Map<string, Map<string, number>>();

  keep(id: string, holder: Holder, expiresAt: number): void {
    const name = nameOf(holder);
    const held = this.#held.get(name) ?? new Map<string, number>();
    held.set(id, expiresAt);
    this.#held.set(name, held);
  }

  drop(id: string, holder: Holder): void {
    const name = nameOf(holder);
    const held = this.#held.get(name);
    held?.delete(id);
    if (held?.size === 0) this.#held.delete(name);
  }

  /** How many of one principal's at one server have not expired. */
  count(holder: Holder, now: number): number {
    let open = 0;
    for (const expiresAt of this.#held.get(nameOf(holder))?.values() ?? []) if (expiresAt > now) open += 1;
    return open;
  }
}

function nameOf({ server, principal }: Holder): string {
  return `${server}/${principal}`;
}
