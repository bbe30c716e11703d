import { setTimeout } from "node:timers/promises";
import { isObject, type JsonObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import type { HeldSession } from "../sessions/held-sessions.ts";
import { hasRoom, Link, type LinkEnd, type Standing } from "../hub/link.ts";
import type { Held } from "../exchange/leases.ts";

/** A call in a session that others may share. */
export interface EarMember {
  /** Its progress token upstream. */
  readonly name: string;
  heard(message: JsonObject): void;
}

/** What an ear needs of its session. */
export interface EarSession {
  readonly held: Held;
  readonly standing: Standing;
  readonly messageBytes: number;
  tell(message: JsonObject): Promise<void>;
}

/** How long a call waits for the stream; some servers send its head with the first event only. */
const OPEN_MS = 1_000;

/** What of that stream concerns calls. */
const concerns = new Set(["notifications/progress", "notifications/message", "notifications/cancelled"]);

/**
 * The stream of a session at an external server on which it says what it does
 * not relate to a request, as some SDKs do with what a tool asks: with one
 * call in the session it belongs to that, with several nobody knows.
 */
class Ear implements LinkEnd {
  readonly #session: EarSession;
  readonly #members = new Set<EarMember>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #link: Link;
  #over = false;
  /** This server serves no such stream. */
  #barren = false;

  constructor(session: EarSession) {
    this.#session = session;
    this.#link = new Link(session.held, session.standing, session.messageBytes, this);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whether another one could hear more. */
  get spent(): boolean {
    return this.#over && !this.#barren;
  }

  join(member: EarMember): Promise<void> {
    this.#members.add(member);
    return Promise.race([this.#opened.promise, setTimeout(OPEN_MS, undefined, { ref: false })]);
  }

  leave(member: EarMember): void {
    this.#members.delete(member);
  }

  close(): void {
    this.#over = true;
    this.#link.close();
  }

  opened(): void {
    this.#opened.resolve();
  }

  ended(_: Link, barren: boolean): void {
    this.#over = true;
    this.#barren = barren;
    this.#opened.resolve();
  }

  message(_: Link, message: JsonObject): void {
    const { method, id } = message;
    if (typeof method !== "string" || (id === undefined && !concerns.has(method))) return;
    const member = this.#memberOf(message);
    if (member !== undefined) return member.heard(message);
    if (id === undefined) return;
    const words = "Which of several calls this belongs to is not known; send it on the stream of its call.";
    const answer = method === "ping" ? { result: {} } : { error: { code: codes.internal, message: words } };
    this.#session.tell({ jsonrpc: "2.0", id, ...answer }).catch(() => {});
  }

  #memberOf({ method, params }: JsonObject): EarMember | undefined {
    if (method === "notifications/progress") {
      const token = isObject(params) ? params["progressToken"] : undefined;
      return [...this.#members].find(({ name }) => name === token);
    }
    return this.#members.size === 1 ? [...this.#members][0] : undefined;
  }
}

/** One ear for each session in which somebody could be asked; it ends with its session, whatever the server does. */
export class Ears {
  readonly #ears = new WeakMap<HeldSession, Ear>();

  /**
   * Resolves when the session is listened to, or cannot be: it is over, or its
   * server has too many streams. What is answered ends it for this call.
   */
  async join(held: HeldSession, session: () => EarSession, member: EarMember): Promise<() => void> {
    const ear = this.#earOf(held, session);
    await ear?.join(member);
    return () => ear?.leave(member);
  }

  #earOf(held: HeldSession, session: () => EarSession): Ear | undefined {
    const present = this.#ears.get(held);
    if (present?.spent === false) return present;
    const given = session();
    const { signal } = held.life;
    if (signal.aborted || !hasRoom(given.held)) return;
    if (present === undefined) signal.addEventListener("abort", () => this.#ears.get(held)?.close());
    const ear = new Ear(given);
    this.#ears.set(held, ear);
    return ear;
  }
}
