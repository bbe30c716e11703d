import { randomText } from "../../lib/ids.ts";
import type { JsonObject } from "../../mcp/envelope.ts";

/** Who is told of a client's response. */
export interface Asker {
  answered(id: string, response: JsonObject): void;
  /** This process ends. */
  closing(): void;
}

interface Open {
  readonly session: string;
  readonly asker: Asker;
}

/** Requests to clients that this gateway made itself, and that are not answered. Their ids name their holder. */
export class Questions {
  readonly #holder: string;
  readonly #open = new Map<string, Open>();

  constructor(holder: string) {
    this.#holder = holder;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A new one; its id. */
  ask(session: string, asker: Asker): string {
    const id = `${PREFIX}${this.#holder}.${randomText(26)}`;
    this.#open.set(id, { session, asker });
    return id;
  }

  withdraw(id: string): void {
    this.#open.delete(id);
  }

  /** Passes a response on to who asked. False: nobody waits for it in this session. */
  answer(session: string, id: string, response: JsonObject): boolean {
    const open = this.#open.get(id);
    if (open === undefined || open.session !== session) return false;
    this.#open.delete(id);
    open.asker.answered(id, response);
    return true;
  }

  close(): void {
    for (const { asker } of this.#open.values()) asker.closing();
    this.#open.clear();
  }
}

const PREFIX = "offing.";

/** The process that made the request with this id; undefined: it is not one of ours. */
export function holderOf(id: unknown): string | undefined {
  if (typeof id !== "string" || !id.startsWith(PREFIX)) return;
  const end = id.lastIndexOf(".");
  return end <= PREFIX.length ? undefined : id.slice(PREFIX.length, end);
}
