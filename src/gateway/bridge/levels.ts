import { logLevels } from "../../mcp/translate.ts";
import type { HeldSession } from "../sessions/held-sessions.ts";

/** Tells a server the least severe log messages that it is to send; rejects where it cannot be told. */
export type SetLevel = (level: string) => Promise<void>;

/**
 * What the server of a shared session is told of log messages: it sends those
 * of the most verbose level that a call under way wants, and each call is told
 * those of its own.
 */
class SharedLevel {
  /** Calls under way by the level that they want, the most verbose first. */
  readonly #calls = logLevels.map(() => 0);
  /** What the server was told last; undefined: nothing that it is known to have taken. */
  #told: string | undefined;
  #telling: Promise<void> | undefined;

  count(level: string, more: 1 | -1): void {
    this.#calls[(logLevels as readonly string[]).indexOf(level)]! += more;
  }

  /** Resolves once the server knows what is wanted now, or cannot be told. */
  agree(set: SetLevel): Promise<void> {
    if (this.#telling === undefined) {
      if (this.#most === this.#told) return Promise.resolve();
      this.#telling = this.#tell(set);
    }
    // Those who come meanwhile wait for the same, which goes on until theirs is told too.
    return this.#telling;
  }

  async #tell(set: SetLevel): Promise<void> {
    try {
      for (let most = this.#most; most !== undefined && most !== this.#told; most = this.#most) {
        this.#told = undefined;
        await set(most);
        this.#told = most;
      }
    } catch {
      // A server that does not take it says what it says; the next call tries again.
    } finally {
      this.#telling = undefined;
    }
  }

  get #most(): string | undefined {
    return logLevels[this.#calls.findIndex((calls) => calls > 0)];
  }
}

/** The log levels of the sessions that the gateway holds at external servers. */
export class Levels {
  readonly #shared = new WeakMap<HeldSession, SharedLevel>();

  /** Counts a call in; resolves when its server sends what it wants, with what counts it out. */
  async want(held: HeldSession, level: string, set: SetLevel): Promise<() => void> {
    const shared = this.#shared.get(held) ?? new SharedLevel();
    this.#shared.set(held, shared);
    shared.count(level, 1);
    await shared.agree(set);
    return () => shared.count(level, -1);
  }
}
