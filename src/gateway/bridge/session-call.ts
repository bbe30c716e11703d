import { randomText } from "../../lib/ids.ts";
import { type JsonObject, metaOf } from "../../mcp/envelope.ts";
import { noteCapability } from "../capability.ts";
import { isRepeatable, sessionLost } from "../exchange/external.ts";
import type { Held } from "../exchange/leases.ts";
import type { Refusal } from "../refusal.ts";
import { traced } from "../exchange/trace.ts";
import type { Turn } from "../turn.ts";
import type { Bridge } from "./bridge.ts";
import { type Hearer, UpstreamCall } from "./call.ts";
import type { EarMember } from "./ear.ts";
import { failed } from "./refusals.ts";
import type { Speaking } from "./speaking.ts";

/** One call in a session at an upstream of the handshake era: the session is opened for it, and left after it. */
export class SessionCall implements Hearer, EarMember {
  readonly #bridge: Bridge;
  readonly #turn: Turn;
  readonly #method: string;
  readonly #hearer: Omit<Hearer, "lost">;
  /** Until it cannot be sent once more. */
  #params: JsonObject;
  #name = "";
  #speaking: Speaking | undefined;
  #call: UpstreamCall | undefined;
  #again = false;
  #over = false;

  constructor(
    bridge: Bridge,
    turn: Turn,
    { method, params }: { readonly method: string; readonly params: JsonObject },
    hearer: Omit<Hearer, "lost">,
  ) {
    this.#bridge = bridge;
    this.#turn = turn;
    this.#method = method;
    this.#params = params;
    this.#hearer = hearer;
  }

  /** Its id and its progress token upstream. */
  get name(): string {
    return this.#name;
  }

  start(opening: Speaking | Promise<Speaking>): void {
    if (opening instanceof Promise) this.#speakOnce(opening);
    else this.#speak(opening);
  }

  /** Tells the upstream something while it works; rejects where it cannot be told. */
  async tell(message: JsonObject): Promise<void> {
    const held = this.#call?.held;
    if (held !== undefined && !this.#over) await this.#speaking?.tell(held, message);
  }

  /** Nobody reads what it says for now, and its window rests. */
  rest(): void {
    this.#params = {};
    this.#call?.rest();
    this.#call?.resume();
  }

  goOn(): void {
    this.#call?.goOn();
  }

  pause(): void {
    this.#call?.pause();
  }

  resume(): void {
    this.#call?.resume();
  }

  /** Its outcome is there. */
  finish(): void {
    if (this.#over) return;
    this.#over = true;
    const held = this.#call?.held;
    this.#call?.release();
    this.#speaking?.end(held);
  }

  /** Ends it; resolves once the upstream was told, where it works on it. */
  async cancel(reason: string): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const call = this.#call;
    const held = call?.held;
    if (held !== undefined && !held.lost) {
      const params = { requestId: this.#name, reason };
      const message = { jsonrpc: "2.0", method: "notifications/cancelled", params };
      await this.#speaking?.tell(held, message).catch(() => {});
    }
    call?.abort(reason);
    this.#speaking?.end(held);
  }

  sent(held: Held, coldMs: number): void {
    this.#hearer.sent(held, coldMs);
  }

  heard(message: JsonObject): void {
    if (!this.#over) this.#hearer.heard(message);
  }

  ended(): void {
    if (!this.#over) this.#hearer.ended();
  }

  failed(refusal: Refusal): void {
    if (!this.#over) this.#hearer.failed(refusal);
  }

  lost(): boolean {
    const opening = this.#again ? undefined : this.#speaking?.again?.();
    if (opening === undefined) return false;
    this.#again = true;
    const { x, endpoint } = this.#turn;
    // The session is there for the next call in any case.
    if (isRepeatable(endpoint.upstream, this.#method, noteCapability(x, endpoint.manifest)))
      this.#speakOnce(opening);
    else this.#speakOnce(opening.then(refuseRepetition));
    return true;
  }

  #speakOnce(opening: Promise<Speaking>): void {
    opening.then(
      (speaking) => this.#speak(speaking),
      (error: unknown) => this.failed(failed(error)),
    );
  }

  #speak(speaking: Speaking): void {
    if (this.#over) return speaking.end(undefined);
    this.#speaking = speaking;
    this.#name = randomText(12);
    const listening = speaking.listen?.(this);
    if (listening === undefined) return this.#dial(speaking);
    listening.then(
      () => this.#dial(speaking),
      (error: unknown) => this.failed(failed(error)),
    );
  }

  #dial({ headers }: Speaking): void {
    if (this.#over) return;
    const { leases, limits } = this.#bridge.services;
    const { upstream, requestWindowMs: windowMs } = this.#turn.endpoint;
    const method = this.#method;
    const params = traced(this.#turn.x, this.#params);
    const _meta = { ...metaOf(params), progressToken: this.#name };
    const message = { jsonrpc: "2.0", id: this.#name, method, params: { ...params, _meta } };
    const body = JSON.stringify(message);
    const { messageBytes } = limits;
    const options = { upstream, headers, body, method, windowMs, messageBytes, resumes: true };
    this.#call = new UpstreamCall(leases, this.#bridge.sweeper, options, this);
    this.#call.start();
  }
}

/** A call that may not run twice is not sent into the new session. */
function refuseRepetition(speaking: Speaking): never {
  speaking.end(undefined);
  throw sessionLost();
}
