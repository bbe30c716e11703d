import { randomText } from "../../lib/ids.ts";
import { isObject, type JsonObject, metaOf } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import {
  clientRequestFor,
  declaredBy,
  handshakeError,
  handshakeResult,
  withEnvelope,
} from "../../mcp/to-handshake.ts";
import { keepLogs, type Rewrite } from "../../mcp/translate.ts";
import { Access } from "../access.ts";
import type { Asked } from "../admission/envelope.ts";
import type { Flow } from "../exchange/exchange.ts";
import type { Held } from "../exchange/leases.ts";
import { Refusal } from "../refusal.ts";
import type { OpenSession } from "../sessions/session.ts";
import { openReply, type Reply } from "../streams/reply.ts";
import { traced } from "../exchange/trace.ts";
import type { Turn } from "../turn.ts";
import type { Bridge } from "./bridge.ts";
import { answerFrom, requestsOf } from "./input.ts";
import { unwritten, withoutResponse } from "./refusals.ts";
import { type Hearer, UpstreamCall } from "./call.ts";
import type { Asker } from "./questions.ts";
import type { Swept } from "./sweeper.ts";

/** A handshake client's request, as it goes to a stateless upstream. */
export interface Carried {
  /** The client's own parameters, their numbers as they were written. */
  readonly params: JsonObject;
  /** Of each of its requests upstream. */
  readonly headers: string[];
  /** The least severe log messages that are wanted. */
  readonly level: string | undefined;
}

/** Times that one call may ask its client. */
const ROUNDS = 16;
/** Milliseconds before a request is repeated for which nobody was asked anything. */
const PACE_MS = 250;

/**
 * One request of a handshake client at a stateless upstream. `input_required`
 * becomes requests to the client on the stream of its own request; when they
 * are answered, the upstream is asked again with the answers (2026-07-28,
 * basic/patterns/mrtr). The client's leaving is not the end of it.
 */
export class HandshakeCall implements Hearer, Flow, Asker, Swept {
  readonly #bridge: Bridge;
  readonly #turn: Turn;
  readonly #session: OpenSession;
  readonly #request: Asked;
  readonly #carried: Carried;
  readonly #params: JsonObject;
  readonly #declared: JsonObject;
  readonly #byLevel: Rewrite;
  readonly #reply: Reply;
  readonly #access: Access;
  readonly #since: number;
  #call: UpstreamCall | undefined;
  /** Milliseconds of the request window that earlier rounds took. */
  #usedMs = 0;
  #rounds = 0;
  #progress = -Infinity;
  /** Our requests that the client has not answered: id → what was asked under which key. */
  readonly #open = new Map<string, { readonly key: string; readonly method: string }>();
  #responses: Record<string, unknown> = {};
  #state: unknown;
  /** Monotonic milliseconds; Infinity: not waiting. */
  #againAt = Infinity;
  #expiresAt = Infinity;
  #responded = false;
  #over = false;

  constructor(bridge: Bridge, turn: Turn, session: OpenSession, request: Asked, carried: Carried) {
    const { x } = turn;
    this.#bridge = bridge;
    this.#turn = turn;
    this.#session = session;
    this.#request = request;
    this.#carried = carried;
    this.#declared = declaredBy(session.claims);
    this.#params = withEnvelope(carried.params, session.claims, this.#declared, carried.level);
    this.#byLevel = keepLogs(carried.level ?? "none");
    this.#since = x.elapsed();
    this.#access = new Access(bridge.services, turn, request.known.needs);
    this.#reply = openReply(x, session, bridge.services);
    x.begin(this, Infinity);
    x.upstreamBegins();
  }

  start(): void {
    this.#bridge.calls.add(this.#session.claims.sid, this.#request.id, this);
    this.#bridge.sweeper.add(this);
    this.#send({});
  }

  /** The client wants nothing more of it, and no response either. */
  cancel(reason: string): void {
    if (this.#over) return;
    this.#call?.abort(reason);
    this.#withdrawQuestions();
    this.#end();
    this.#reply.withdraw(new Refusal("protocol", 200, "The request was cancelled.", { because: reason }));
    this.#settled();
  }

  closing(): void {
    const message = "Offing is stopping, and with it this call. Send it again; it may have taken effect.";
    this.#call?.abort("The gateway is closing.");
    this.#fail(new Refusal("runtime", 503, message));
  }

  answered(id: string, response: JsonObject): void {
    const question = this.#open.get(id);
    if (this.#over || question === undefined) return;
    this.#open.delete(id);
    const answer = answerFrom(question.method, response);
    if (answer instanceof Refusal) return this.#fail(answer);
    this.#responses[question.key] = answer;
    if (this.#open.size === 0) this.#again();
  }

  sweep(now: number): void {
    // Wherever it was ended, every process learns of it.
    if (this.#bridge.services.book.isOver(this.#session, this.#turn.endpoint)) return this.#sessionOver();
    const lost = this.#access.lost(now);
    if (lost !== undefined) {
      this.#call?.abort("Its caller may not call the server any more.");
      return this.#fail(lost);
    }
    if (now >= this.#againAt) this.#again();
    if (now >= this.#expiresAt) {
      const minutes = this.#bridge.services.limits.personMs / 60_000;
      const message = `Nobody answered what the server asked within ${minutes} minutes. Send the request again.`;
      this.#fail(new Refusal("session", 408, message, { outcome: "timeout" }));
    }
  }

  leave(): void {
    // Its answer is held for a client that comes back (2025-11-25, basic/transports).
  }

  expire(): void {
    // The call keeps its own time.
  }

  sent(held: Held, coldMs: number): void {
    this.#turn.x.record.instance = held.instance;
    this.#turn.x.record.t_cold += coldMs;
  }

  heard(message: JsonObject): void {
    if (this.#over) return;
    const { method } = message;
    if (typeof method !== "string") return this.#response(message);
    if ("id" in message) {
      this.#call?.abort("A request came.");
      const words = `The server sent ${method.slice(0, 120)} as a request of its own, which its revision does not know.`;
      return this.#fail(new Refusal("upstream", 502, words));
    }
    if (method === "notifications/message") {
      if (this.#byLevel(message).kind === "pass") this.#reply.send(message);
    } else if (method === "notifications/progress") {
      const token = metaOf(this.#request.params)?.["progressToken"];
      const { params } = message;
      if (
        token !== undefined &&
        isObject(params) &&
        params["progressToken"] === token &&
        this.#goesOn(params)
      )
        this.#reply.send(message);
    } else this.#bridge.services.hub.heard(this.#turn, message);
  }

  /** Each round begins anew, but to the client it is one request, whose progress only grows (2025-11-25, basic/utilities/progress). */
  #goesOn({ progress }: JsonObject): boolean {
    if (typeof progress !== "number" || progress <= this.#progress) return false;
    this.#progress = progress;
    return true;
  }

  ended(): void {
    if (!this.#responded) this.#fail(withoutResponse());
  }

  failed(refusal: Refusal): void {
    this.#fail(refusal);
  }

  #send(more: JsonObject): void {
    const { leases, limits } = this.#bridge.services;
    const { upstream, requestWindowMs } = this.#turn.endpoint;
    const { method } = this.#request;
    // Each is a request of its own (2026-07-28, basic/patterns/mrtr).
    const id = randomText(12);
    const params = traced(this.#turn.x, { ...this.#params, ...more });
    this.#responded = false;
    this.#call = new UpstreamCall(
      leases,
      this.#bridge.sweeper,
      {
        upstream,
        headers: this.#carried.headers,
        method,
        body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
        windowMs: requestWindowMs - this.#usedMs,
        messageBytes: limits.messageBytes,
        resumes: false,
      },
      this,
    );
    this.#call.start();
  }

  #response(message: JsonObject): void {
    this.#responded = true;
    this.#usedMs += this.#call?.usedMs ?? 0;
    this.#call?.release();
    const { result, error } = message;
    const { id } = this.#request;
    if (isObject(error)) {
      const { upstream } = this.#turn.endpoint;
      // Another definition of the tool than the one that is known here: it is read anew, off the path.
      if (error["code"] === codes.headerMismatch && upstream.kind === "external") {
        this.#bridge.services.leases.doubt(upstream);
      }
      return this.#respond({ jsonrpc: "2.0", id, error: handshakeError(this.#request, error) });
    }
    const type = isObject(result) ? (result["resultType"] ?? "complete") : undefined;
    if (!isObject(result) || (type !== "complete" && type !== "input_required")) {
      const words = `The server answered with a result of type ${JSON.stringify(type ?? null).slice(0, 80)}, which a client of revision ${this.#session.claims.revision} cannot be given.`;
      return this.#fail(new Refusal("upstream", 502, words));
    }
    if (type === "input_required") return this.#ask(result);
    this.#respond({ jsonrpc: "2.0", id, result: handshakeResult(result) });
  }

  /** Asks the client for everything that the upstream wants to know. */
  #ask({ inputRequests, requestState }: JsonObject): void {
    if (++this.#rounds > ROUNDS) {
      const words = `The server asked for input ${ROUNDS} times and still wants more; the call ends here.`;
      return this.#fail(new Refusal("upstream", 502, words));
    }
    const asked = requestsOf(inputRequests, this.#declared);
    if (asked instanceof Refusal) return this.#fail(asked);
    this.#responses = {};
    this.#state = requestState;
    const now = this.#bridge.sweeper.now();
    if (asked.length === 0) {
      this.#againAt = now + PACE_MS;
      return;
    }
    this.#expiresAt = now + this.#bridge.services.limits.personMs;
    const { sid, revision } = this.#session.claims;
    for (const [key, request] of asked) {
      const id = this.#bridge.questions.ask(sid, this);
      this.#open.set(id, { key, method: request.method });
      this.#reply.send({ jsonrpc: "2.0", id, ...clientRequestFor(request, revision, id) });
    }
  }

  /** Asks the upstream again, with what the client answered. */
  #again(): void {
    this.#againAt = this.#expiresAt = Infinity;
    const given = Object.keys(this.#responses).length > 0 ? { inputResponses: this.#responses } : {};
    this.#send({ ...given, ...(this.#state === undefined ? {} : { requestState: this.#state }) });
  }

  #respond(message: JsonObject): void {
    if (this.#over) return;
    this.#end();
    try {
      this.#reply.respond(message);
    } catch (error) {
      // Nobody else could end it any more.
      this.#reply.fail(unwritten(error));
    } finally {
      this.#settled();
    }
  }

  #sessionOver(): void {
    const message = "The session has ended, and with it this call, which may have taken effect.";
    this.#call?.abort("The session has ended.");
    this.#fail(new Refusal("session", 404, message));
  }

  #fail(refusal: Refusal): void {
    if (this.#over) return;
    this.#withdrawQuestions();
    this.#end();
    this.#reply.fail(refusal);
    this.#settled();
  }

  #withdrawQuestions(): void {
    for (const id of this.#open.keys()) {
      const params = { requestId: id, reason: "The request that it belonged to is over." };
      this.#reply.send({ jsonrpc: "2.0", method: "notifications/cancelled", params });
    }
  }

  #end(): void {
    this.#over = true;
    this.#bridge.sweeper.remove(this);
    this.#bridge.calls.remove(this.#session.claims.sid, this.#request.id, this);
    for (const id of this.#open.keys()) this.#bridge.questions.withdraw(id);
    this.#open.clear();
  }

  #settled(): void {
    const { x } = this.#turn;
    x.record.t_upstream = x.elapsed() - this.#since;
    x.over();
    x.upstreamDone();
  }
}
