import type { Method } from "../../mcp/methods.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { Access } from "../access.ts";
import { authorize } from "../admission/authorize.ts";
import { changedList } from "../hub/filter.ts";
import { mayRead } from "../hub/visible.ts";
import { judgeMethod, judgeRevision } from "../admission/envelope.ts";
import type { Flow } from "../exchange/exchange.ts";
import { handOver } from "../hand-over.ts";
import { servedByHolder } from "../line-holder.ts";
import { Refusal } from "../refusal.ts";
import type { Services } from "../services.ts";
import type { OpenSession } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";
import { type EventId, readEventId } from "./event-id.ts";
import { EventStream } from "./event-stream.ts";
import { takesEvents } from "./reply.ts";

/**
 * A GET of an MCP endpoint (2025-11-25, basic/transports): with
 * `Last-Event-ID` it goes on with that event's stream, without it opens the
 * stream on which the server speaks first. Throws refusals.
 */
export function hear(turn: Turn, services: Services): void {
  const { x, endpoint, principal } = turn;
  judgeMethod(x, "post subscriptions/listen");
  x.record.era = "handshake";
  if (!takesEvents(x)) {
    throw new Refusal("protocol", 406, "A GET opens an event stream: send `Accept: text/event-stream`.");
  }
  judgeRevision(x);
  const session = services.book.open(x, endpoint, principal);
  const last = x.req.headers["last-event-id"];
  if (!last) services.tallies.stand(x);
  if (!last && servedByHolder(turn, services, session)) return;
  if (typeof last !== "string" || last === "") return services.hub.stand(turn, session);
  resume(turn, session, last, services);
}

/**
 * Goes on with the stream of an event. What ended and was told whole is 204,
 * after which readers of event streams do not come back (WHATWG HTML, 9.2).
 * What is not held any more ends its request with an error on the stream: a
 * status of 404 would end the session.
 */
function resume(turn: Turn, session: OpenSession, last: string, services: Services): void {
  const { x, endpoint, principal } = turn;
  const { peers, streams } = services;
  const at = readEventId(last);
  if (at === undefined) {
    throw new Refusal("protocol", 400, "The header Last-Event-ID names no event that was sent here.");
  }
  if (at.seq === Infinity) return x.answerEmpty(204);
  const gone = () => lost(x, at, services);
  if (at.holder !== peers.self) {
    if (at.request === null) services.tallies.stand(x);
    if (handOver(turn, services, at.holder, gone)) return;
  }
  const stream = streams.find(at, session.claims.sid);
  if (stream === undefined || !stream.reaches(at.seq)) {
    // What answers no request is opened anew; what came meanwhile is lost, as on any stream that was not open.
    if (at.request === null) return services.hub.stand(turn, session);
    const refusal = gone();
    if (refusal !== undefined) throw refusal;
    return;
  }
  if (!stream.goesOn(at.seq)) return x.answerEmpty(204);
  if (stream.stands) {
    services.tallies.stand(x);
    services.hub.resumed(turn, session, stream);
    const out = new EventStream(x, streams, stream);
    return stream.resume(out, at.seq, mayRead(endpoint, principal) ? undefined : tellsOfLists);
  }
  const refusal = refused(turn, stream.needs);
  if (refusal !== undefined && at.request === null) throw refusal;
  const out = new EventStream(x, streams, stream);
  if (refusal !== undefined) return endWith(out, x, at, refusal);
  x.begin(new Resumed(turn, at, out, services, stream.needs), Infinity);
  stream.resume(out, at.seq);
}

/** Why the rest of an answer is not for its caller any more. */
function refused({ x, endpoint, principal }: Turn, needs: Method["needs"]): Refusal | undefined {
  try {
    authorize(x, endpoint, principal, needs);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return;
}

/** Whether a held event is for those who may only discover. */
function tellsOfLists(json: string): boolean {
  return changedList(JSON.parse(json) as JsonObject) !== undefined;
}

/** A connection that carries the rest of an answer: it ends with its caller's right to it. */
class Resumed implements Flow {
  readonly #turn: Turn;
  readonly #at: EventId;
  readonly #out: EventStream;
  readonly #services: Services;
  readonly #access: Access;

  constructor(turn: Turn, at: EventId, out: EventStream, services: Services, needs: Method["needs"]) {
    this.#turn = turn;
    this.#at = at;
    this.#out = out;
    this.#services = services;
    this.#access = new Access(services, turn, needs);
  }

  tick(): void {
    const lost = this.#access.lost(this.#services.clock.monotonic());
    if (lost === undefined) return;
    const { x } = this.#turn;
    x.over();
    endWith(this.#out, x, this.#at, lost);
  }

  leave(): void {
    // Its stream is told by itself.
  }

  expire(): void {
    // It lasts as long as the answer.
  }
}

/** Ends the request that a stream answers with an error: a client that is refused with a status waits for it on. */
function endWith(out: EventStream, x: Turn["x"], at: EventId, refusal: Refusal): void {
  x.id = at.request;
  x.note(refusal);
  x.record.http_status = 200;
  if (at.request === null) out.end();
  else out.end(refusal.text(x.id, x.record.id), `${at.holder}.${at.stream}.end`);
}

/** What to refuse with; undefined where the request was ended on a stream of its own. */
function lost(x: Turn["x"], at: EventId, { streams }: Services): Refusal | undefined {
  const refusal = new Refusal(
    "session",
    410,
    "The answer to this request is not held any more: its stream was left too long ago, or the process that held it has ended. Send the request anew; the first one may have taken effect.",
    { because: "the stream is not held" },
  );
  if (at.request === null) return refusal;
  endWith(new EventStream(x, streams), x, at, refusal);
  return;
}
