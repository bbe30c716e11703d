import { splitArray } from "../../mcp/batch.ts";
import { isObject, readMessage } from "../../mcp/envelope.ts";
import { unnamedHandshake } from "../../mcp/eras.ts";
import { codes } from "../../mcp/errors.ts";
import { glance, GLANCE_BYTES } from "../../mcp/glance.ts";
import { type Method, needsOfMethod } from "../../mcp/methods.ts";
import type { Patience, Watcher } from "../exchange/exchange.ts";
import { Refusal } from "../refusal.ts";
import type { Services } from "../services.ts";
import type { OpenSession } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";
import { EventStream } from "./event-stream.ts";
import { InnerRequest, InnerResponse, type Receiver, type Within } from "./inner.ts";
import { takesEvents } from "./reply.ts";
import type { Stream } from "./stream.ts";

/** Messages of a batch at most. */
const MESSAGES_MOST = 50;
/** Answers that are more than this are sent one by one. */
const COLLECTED_BYTES = 1024 * 1024;

/**
 * A JSON-RPC batch, of which 2025-03-26 alone knows (basic/transports): each
 * message is judged and carried by itself. Throws refusals of the whole.
 */
export function batch(turn: Turn, services: Services, within: Within): void {
  const { x } = turn;
  x.record.era = "handshake";
  const whole = readMessage(x.body, services.limits.jsonDepth);
  if (whole.kind === "invalid") {
    throw new Refusal("protocol", 400, whole.reason, { code: codes[whole.code] });
  }
  const session = judge(turn, services);
  const parts = splitArray(x.body, MESSAGES_MOST);
  if (parts === undefined) {
    throw new Refusal(
      "limit",
      400,
      `The batch holds more than ${MESSAGES_MOST} messages. Send fewer at a time.`,
    );
  }
  const { requests, needs } = judgeParts(parts);
  x.discard();
  new Batch(turn, services, session, needs).send(parts, requests, within);
}

/** Whether the client may send batches; its session, if that had to be asked. */
function judge({ x, endpoint, principal }: Turn, { book }: Services): OpenSession | undefined {
  const { headers } = x.req;
  const version = headers["mcp-protocol-version"];
  const named = headers["mcp-session-id"] !== undefined;
  const session = named ? book.open(x, endpoint, principal) : undefined;
  const revision = session?.claims.revision;
  if (version === undefined || version === unnamedHandshake || revision === unnamedHandshake) {
    return session;
  }
  throw new Refusal(
    "protocol",
    400,
    "A batch is not a message of this protocol revision; post each message by itself.",
    { code: codes.invalidRequest },
  );
}

/** How many requests there are, and what all of them need. Throws for what makes the whole of a batch unfit. */
function judgeParts(parts: readonly Buffer[]): {
  readonly requests: number;
  readonly needs: Method["needs"];
} {
  const ids = new Set<unknown>();
  let requests = 0;
  let needs: Method["needs"] = "discover";
  for (const part of parts) {
    const value: unknown = JSON.parse(part.toString());
    if (!isObject(value)) throw unfit("A batch holds something that is not a JSON-RPC message.");
    if (value["method"] === undefined || !("id" in value)) continue;
    if (value["method"] === "initialize") throw unfit("`initialize` must not be part of a batch.");
    if (ids.has(value["id"])) throw unfit("Two requests of the batch have the same id.");
    ids.add(value["id"]);
    requests++;
    const { method } = value;
    if (needsOfMethod(typeof method === "string" ? method : null) === "call") needs = "call";
  }
  if (parts.length === 0) throw unfit("The batch is empty.");
  return { requests, needs };
}

function unfit(message: string): Refusal {
  return new Refusal("protocol", 400, message, { code: codes.invalidRequest });
}

/**
 * The answer to a batch: a JSON array of the responses; an event stream when
 * something precedes one, or when one takes long.
 */
class Batch implements Receiver, Watcher, Patience {
  readonly #turn: Turn;
  readonly #services: Services;
  readonly #session: OpenSession | undefined;
  readonly #needs: Method["needs"];
  readonly #under = new Set<InnerResponse>();
  #answers: string[] = [];
  #size = 0;
  #refused: { readonly status: number; readonly text: string } | undefined;
  #requests = 0;
  #sending = true;
  #out: EventStream | undefined;
  #stream: Stream | undefined;

  constructor(turn: Turn, services: Services, session: OpenSession | undefined, needs: Method["needs"]) {
    this.#turn = turn;
    this.#services = services;
    this.#session = session;
    this.#needs = needs;
  }

  send(parts: readonly Buffer[], requests: number, within: Within): void {
    const { x } = this.#turn;
    const { messageBytes, patienceMs } = this.#services.limits;
    this.#requests = requests;
    x.watcher = this;
    if (requests > 0 && takesEvents(x)) x.remind(this, patienceMs);
    for (const part of parts) {
      const res = new InnerResponse(this, x.res, messageBytes);
      this.#under.add(res);
      res.x = within.post(this.#turn, new InnerRequest(x.req, "POST", x.req.headers), res, part);
    }
    this.#sending = false;
    this.#finish();
  }

  message(json: string, res: InnerResponse): boolean {
    if (this.#requests === 0) {
      this.#refused ??= { status: res.status, text: json };
      return true;
    }
    const call = glance(json.slice(0, GLANCE_BYTES)) === "call";
    if (call) this.#begin();
    this.#size += json.length;
    if (this.#size > COLLECTED_BYTES) this.#begin();
    if (this.#out === undefined) {
      this.#answers.push(json);
      return true;
    }
    return this.#event(json, call);
  }

  done(res: InnerResponse): void {
    this.#under.delete(res);
    this.#finish();
  }

  /** A message takes long. */
  over(): void {
    this.#begin();
  }

  /** The client left before there was a stream that it could come back to. */
  closed(): void {
    for (const res of this.#under) res.destroy();
  }

  #begin(): void {
    const { x } = this.#turn;
    if (this.#out !== undefined || x.clientGone) return;
    const { streams } = this.#services;
    x.callOff();
    if (this.#session !== undefined) this.#stream = streams.begin(this.#session, null, this.#needs);
    this.#out = new EventStream(x, streams, this.#stream);
    this.#stream?.begin(this.#out, false);
    for (const json of this.#answers) this.#event(json, false);
    this.#answers = [];
  }

  #event(json: string, call: boolean): boolean {
    const text = json.replace(/[\r\n]+/g, " ");
    return this.#stream?.send(text, !call || /"id"\s*:/.test(text)) ?? this.#out!.send(text);
  }

  #finish(): void {
    if (this.#sending || this.#under.size > 0) return;
    const { x } = this.#turn;
    x.callOff();
    // An empty array is no answer; where all were cancelled, a stream ends without one.
    if (this.#requests > 0 && this.#answers.length === 0) this.#begin();
    x.watcher = this.#out;
    if (this.#stream !== undefined) return this.#stream.end();
    if (this.#out !== undefined) return this.#out.end();
    if (this.#requests > 0) return x.answer(200, `[${this.#answers.join(",")}]`);
    const refused = this.#refused;
    if (refused === undefined || refused.status < 400) x.answerEmpty(202);
    else x.answer(refused.status, refused.text);
  }
}
