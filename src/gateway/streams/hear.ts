import { isStatelessRevision } from "../../mcp/eras.ts";
import { judgeRevision } from "../envelope.ts";
import { handOver } from "../hand-over.ts";
import { Refusal } from "../refusal.ts";
import type { Services } from "../services.ts";
import type { OpenSession } from "../session.ts";
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
  const version = x.req.headers["mcp-protocol-version"];
  if (typeof version === "string" && isStatelessRevision(version)) {
    throw new Refusal("protocol", 405, `Revision ${version} has no GET; post subscriptions/listen.`, {
      headers: { allow: "POST, DELETE" },
    });
  }
  x.record.era = "handshake";
  if (!takesEvents(x)) {
    throw new Refusal("protocol", 406, "A GET opens an event stream: send `Accept: text/event-stream`.");
  }
  judgeRevision(x);
  const session = services.book.open(x, endpoint, principal);
  const last = x.req.headers["last-event-id"];
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
  const { x } = turn;
  const { peers, streams } = services;
  const at = readEventId(last);
  if (at === undefined) {
    throw new Refusal("protocol", 400, "The header Last-Event-ID names no event that was sent here.");
  }
  if (at.seq === Infinity) return x.answerEmpty(204);
  const gone = () => lost(x, at, services);
  if (at.holder !== peers.self && handOver(turn, services, at.holder, gone)) return;
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
  }
  stream.resume(new EventStream(x, streams, stream), at.seq);
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
  x.id = at.request;
  x.note(refusal);
  const out = new EventStream(x, streams);
  out.end(refusal.text(x.id, x.record.id), `${at.holder}.${at.stream}.end`);
  return;
}
