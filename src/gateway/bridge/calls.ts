import type { RequestId } from "../../mcp/envelope.ts";

interface Cancellable {
  cancel(reason: string): void;
}

/** The requests of handshake sessions that this process has translated and that are not answered. */
export class Calls {
  readonly #sessions = new Map<string, Map<RequestId, Cancellable>>();

  add(session: string, id: RequestId, call: Cancellable): void {
    let calls = this.#sessions.get(session);
    if (calls === undefined) this.#sessions.set(session, (calls = new Map()));
    calls.set(id, call);
  }

  remove(session: string, id: RequestId, call: Cancellable): void {
    const calls = this.#sessions.get(session);
    if (calls?.get(id) === call) calls.delete(id);
    if (calls?.size === 0) this.#sessions.delete(session);
  }

  /** Cancels one request of a session. False: it is not here. */
  cancel(session: string, id: unknown, reason: string): boolean {
    const call = this.#sessions.get(session)?.get(id as RequestId);
    call?.cancel(reason);
    return call !== undefined;
  }
}
