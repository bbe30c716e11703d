import { randomText } from "../../lib/ids.ts";
import { type ClientRequest, isClientRequest, lacking } from "../../mcp/client-requests.ts";
import { isObject, type JsonObject, type RequestId } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { Access } from "../access.ts";
import type { Asked, Envelope } from "../admission/envelope.ts";
import type { Held } from "../exchange/leases.ts";
import { Refusal } from "../refusal.ts";
import { sealState } from "../request-state.ts";
import { principalId } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";
import type { Bridge } from "./bridge.ts";
import type { Hearer } from "./call.ts";
import { OpenQuestions } from "./open-questions.ts";
import { inputRequired, outcomeFor, type Told } from "./outcome.ts";
import type { Waiting } from "./parked.ts";
import { SessionCall } from "./session-call.ts";
import type { Speaking } from "./speaking.ts";
import { Present } from "./present.ts";
import { unkept, untold, unwritten, usedTwice, withoutResponse } from "./refusals.ts";
import type { AnswerOwner } from "./stateless-answer.ts";
import type { Swept } from "./sweeper.ts";

type Stateless = Envelope & { kind: "stateless" };

/** A request as it goes to a handshake upstream, and what its client can be asked. */
export interface Bridged {
  readonly method: string;
  /** Without what is the stateless protocol's own; the numbers in it as they were written. */
  readonly params: JsonObject;
  readonly capabilities: JsonObject;
}

/** What the upstream asks within this time is asked of the client together. */
const GATHER_MS = 30;

/**
 * One call of a stateless client at a handshake upstream. What the upstream asks
 * of its client meanwhile becomes `input_required`: the client's request is
 * answered with it, the upstream's call stays open here, and the client's retry
 * takes it up again (2026-07-28, basic/patterns/mrtr).
 */
export class BridgedCall implements Hearer, AnswerOwner, Waiting, Swept {
  readonly id = randomText(26);
  readonly owner: string;
  readonly organization: string;
  readonly #bridge: Bridge;
  readonly #first: Turn;
  readonly #method: string;
  readonly #capabilities: JsonObject;
  readonly #upstream: SessionCall;
  #present: Present | undefined;
  /** Of the newest request that came for it. */
  #access: Access | undefined;
  readonly #questions = new OpenQuestions();
  #rounds = 0;
  /** Monotonic milliseconds at which what was asked is put to the client; Infinity: nothing is to be. */
  #gatheredAt = Infinity;
  #expiresAt = Infinity;
  #refused: Told["refused"];
  #outcome: JsonObject | Refusal | undefined;
  #over = false;

  constructor(bridge: Bridge, turn: Turn, bridged: Bridged) {
    this.#bridge = bridge;
    this.#first = turn;
    this.#method = bridged.method;
    this.#capabilities = bridged.capabilities;
    this.#upstream = new SessionCall(bridge, turn, bridged, this);
    const { x, endpoint, principal } = turn;
    const who = principal.kind === "anonymous" ? `anonymous ${x.record.ip}` : principalId(principal);
    this.organization = endpoint.organization.id;
    this.owner = `${this.organization} ${who}`;
  }

  /** Puts the client's request to work. */
  start(envelope: Stateless, opening: Speaking | Promise<Speaking>): void {
    this.#attend(this.#first, envelope);
    if (this.#over) return;
    this.#bridge.sweeper.add(this);
    this.#upstream.start(opening);
  }

  /** The client's retry. `round`: of the state that it came with. Throws refusals. */
  retry(turn: Turn, envelope: Stateless, round: number, given: unknown): void {
    if (this.#present !== undefined || round !== this.#rounds) throw usedTwice();
    if (given !== undefined && !isObject(given)) {
      const code = codes.invalidParams;
      throw new Refusal("protocol", 200, "params.inputResponses must be an object.", { code });
    }
    this.#expiresAt = Infinity;
    this.#attend(turn, envelope);
    if (this.#over) return;
    if (this.#outcome !== undefined) return this.#deliver(this.#outcome);
    this.#upstream.goOn();
    for (const { id, result } of this.#questions.answer(given ?? {})) {
      this.#tell({ jsonrpc: "2.0", id, result });
    }
    // What is missing is asked for once more, with what came up meanwhile.
    if (this.#questions.size > 0) this.#ask();
  }

  async cancel(reason: string): Promise<void> {
    if (this.#over) return;
    this.#end();
    await this.#upstream.cancel(reason);
  }

  sweep(now: number): void {
    const lost = this.#access?.lost(now);
    if (lost !== undefined) return this.#revoke(lost);
    if (now >= this.#gatheredAt) this.#ask();
    if (now >= this.#expiresAt) void this.cancel("Nobody answered what the server asked.");
  }

  sent(held: Held, coldMs: number): void {
    this.#present?.answer.sent(held, coldMs);
  }

  heard(message: JsonObject): void {
    if (this.#over) return;
    const { method, params, id } = message;
    if (typeof method !== "string") return this.#settle(message);
    const told = isObject(params) ? params : {};
    if ("id" in message) this.#asked(id as RequestId, { method, params: told });
    else this.#notified(message, method, told);
  }

  ended(): void {
    if (this.#outcome === undefined) this.#settle(withoutResponse());
  }

  failed(refusal: Refusal): void {
    this.#settle(refusal);
  }

  left(): void {
    this.#present = undefined;
    void this.cancel("The client left.");
  }

  drained(): void {
    this.#upstream.resume();
  }

  #revoke(refusal: Refusal): void {
    const present = this.#present;
    this.#present = undefined;
    void this.cancel("Its caller may not call the server any more.");
    present?.answer.fail(refusal);
  }

  #attend(turn: Turn, envelope: Stateless): void {
    const { services } = this.#bridge;
    this.#access = new Access(services, turn, envelope.request.known.needs);
    this.#present = new Present(turn, envelope, services.streams, this);
    if (turn.x.clientGone) this.#present.answer.leave();
  }

  #asked(id: RequestId, request: ClientRequest): void {
    const reply = (body: object): void => this.#tell({ jsonrpc: "2.0", id, ...body });
    const refuse = (code: number, message: string): void => reply({ error: { code, message } });
    const { method } = request;
    if (method === "ping") return reply({ result: {} });
    if (!isClientRequest(method)) return refuse(codes.methodNotFound, "There is no such request.");
    const needed = lacking(this.#capabilities, request);
    if (needed !== undefined) {
      // As a client refuses what it has not declared (2025-11-25, client/elicitation).
      this.#refused = { method, needed };
      return refuse(codes.methodNotFound, `The client has not declared what ${method} needs.`);
    }
    if (!this.#questions.add(id, request)) {
      return refuse(codes.internal, "Too much is asked of the client at once.");
    }
    if (this.#present !== undefined) this.#gatheredAt = this.#bridge.sweeper.now() + GATHER_MS;
  }

  #notified(message: JsonObject, method: string, params: JsonObject): void {
    if (method === "notifications/cancelled") return this.#questions.withdraw(params["requestId"]);
    if (method !== "notifications/message" && method !== "notifications/progress") {
      return this.#bridge.services.hub.heard(this.#first, message);
    }
    if (this.#present?.tell(message, this.#upstream.name) === false) this.#upstream.pause();
  }

  /** Answers the client's request with what the upstream asks, and lets the call wait. */
  #ask(): void {
    this.#gatheredAt = Infinity;
    const present = this.#present;
    if (present === undefined || this.#questions.size === 0) return;
    this.#present = undefined;
    const full = this.#bridge.parked.add(this, this.#questions.bytes);
    if (full !== undefined) {
      present.answer.fail(full);
      void this.cancel("Too many calls wait for their clients.");
      return;
    }
    const { services, sweeper } = this.#bridge;
    this.#rounds++;
    this.#upstream.rest();
    this.#expiresAt = sweeper.now() + services.limits.personMs;
    const { turn, request, answer } = present;
    const call = `${this.id}.${this.#rounds}`;
    const state = { kind: "parked", holder: services.peers.self, call } as const;
    const requestState = sealState(services, turn, request, state);
    answer.respond(
      inputRequired(this.#told(request), { inputRequests: this.#questions.put(), requestState }),
    );
  }

  /** The upstream has answered, or cannot. */
  #settle(outcome: JsonObject | Refusal): void {
    if (this.#over || this.#outcome !== undefined) return;
    this.#upstream.finish();
    this.#questions.clear();
    this.#gatheredAt = Infinity;
    this.#outcome = outcome;
    if (this.#present !== undefined) return this.#deliver(outcome);
    // Its client is away, and gets it on coming back.
    const bytes = outcome instanceof Refusal ? 0 : JSON.stringify(outcome).length;
    if (!this.#bridge.parked.keep(this, bytes)) this.#outcome = unkept();
  }

  #deliver(outcome: JsonObject | Refusal): void {
    const { request, answer } = this.#present!;
    this.#present = undefined;
    this.#end();
    try {
      const made = outcome instanceof Refusal ? outcome : outcomeFor(this.#told(request), outcome);
      if (made instanceof Refusal) answer.fail(made);
      else answer.respond(made);
    } catch (error) {
      // Nobody else could end it any more.
      answer.fail(unwritten(error));
    }
  }

  #told({ id }: Asked): Told {
    const { serverInfo } = this.#first.endpoint.manifest;
    return { id, method: this.#method, serverInfo, capabilities: this.#capabilities, refused: this.#refused };
  }

  #tell(message: JsonObject): void {
    this.#upstream.tell(message).catch((error: unknown) => this.#settle(untold(error)));
  }

  #end(): void {
    this.#over = true;
    this.#gatheredAt = this.#expiresAt = Infinity;
    this.#bridge.sweeper.remove(this);
    this.#bridge.parked.remove(this);
  }
}
