import { type ClientRequest, isAnswerTo, toInputRequest } from "../../mcp/client-requests.ts";
import type { JsonObject, RequestId } from "../../mcp/envelope.ts";

/** Questions of one call that wait at once, and the bytes of their parameters. */
const MOST = 64;
const MOST_BYTES = 1024 * 1024;

interface Question {
  /** The upstream's own id of it. */
  readonly id: RequestId;
  readonly request: ClientRequest;
}

/** What the upstream of one call has asked its client, and not been answered. */
export class OpenQuestions {
  readonly #open = new Map<string, Question>();
  #bytes = 0;
  #count = 0;
  /** Keys of those that were put to the client last. */
  #round: readonly string[] = [];

  get size(): number {
    return this.#open.size;
  }

  /** Bytes of what was asked since all was answered last. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False: too much is asked at once. */
  add(id: RequestId, request: ClientRequest): boolean {
    const bytes = JSON.stringify(request.params).length;
    if (this.#open.size >= MOST || this.#bytes + bytes > MOST_BYTES) return false;
    this.#bytes += bytes;
    this.#count++;
    const kind = request.method.slice(0, request.method.indexOf("/"));
    this.#open.set(`${kind}-${this.#count}`, { id, request: toInputRequest(request) });
    return true;
  }

  /** The upstream no longer wants to know. */
  withdraw(id: unknown): void {
    for (const [key, question] of this.#open) if (question.id === id) this.#open.delete(key);
  }

  /** All of them, as `inputRequests`: a new round. */
  put(): Record<string, ClientRequest> {
    this.#round = [...this.#open.keys()];
    return Object.fromEntries([...this.#open].map(([key, { request }]) => [key, request]));
  }

  /**
   * Takes what of `inputResponses` answers a question of the present round; what
   * is missing or has another form stays open, what nobody asked is ignored
   * (2026-07-28, basic/patterns/mrtr, "Error Handling").
   */
  answer(given: JsonObject): { readonly id: RequestId; readonly result: JsonObject }[] {
    const answered: { id: RequestId; result: JsonObject }[] = [];
    for (const key of this.#round) {
      const question = this.#open.get(key);
      const response = Object.hasOwn(given, key) ? given[key] : undefined;
      if (question === undefined || !isAnswerTo(question.request.method, response)) continue;
      this.#open.delete(key);
      // The handshake era has one kind of result.
      const { resultType: _, ...result } = response;
      answered.push({ id: question.id, result });
    }
    if (this.#open.size === 0) this.#bytes = 0;
    return answered;
  }

  clear(): void {
    this.#open.clear();
  }
}
