import { randomText } from "../../lib/ids.ts";
import { isBatch } from "../../mcp/batch.ts";
import { isObject, type RequestId } from "../../mcp/envelope.ts";
import { codes, errorText, ownCode } from "../../mcp/errors.ts";
import { attempt } from "../attempt.ts";
import { readBody } from "../admission/body.ts";
import type { Exchange, Patience } from "../exchange/exchange.ts";
import { handOver } from "../hand-over.ts";
import { Refusal } from "../refusal.ts";
import { upstreamMessage } from "../exchange/upstream-message.ts";
import type { Services } from "../services.ts";
import type { Turn } from "../turn.ts";
import { EventStream } from "./event-stream.ts";
import { InnerRequest, InnerResponse, type Receiver, type Within } from "./inner.ts";
import { takesEvents } from "./reply.ts";

/** How long a client may take to send `initialize`. */
const INITIALIZE_MS = 60_000;

const address = /^([\w-]{1,128})\.([0-9a-z]{26})$/;

/**
 * HTTP+SSE (2024-11-05, basic/transports): a GET opens the stream on which
 * everything comes, and tells where messages are posted. Behind it stands an
 * ordinary session.
 */
export class HttpSse {
  readonly #services: Services;
  readonly #within: Within;
  readonly #lines = new Map<string, Line>();

  constructor(services: Services, within: Within) {
    this.#services = services;
    this.#within = within;
  }

  /** Lines that are open: for tests that count. */
  get size(): number {
    return this.#lines.size;
  }

  /** Each of the two paths serves one method. Throws refusals. */
  serve(face: "sse" | "messages", turn: Turn): void {
    const { x } = turn;
    const served = face === "sse" ? "GET" : "POST";
    if (x.req.method !== served) {
      throw new Refusal("protocol", 405, `Here only ${served} is served.`, { headers: { allow: served } });
    }
    if (face === "sse") return this.#open(turn);
    readBody(x, this.#services.limits, {
      whole: () => attempt(x, () => this.#take(turn)),
      refused: (refusal) => x.refuse(refusal),
    });
  }

  #open(turn: Turn): void {
    const { x } = turn;
    x.record.transport = "sse";
    x.record.era = "handshake";
    if (!takesEvents(x)) {
      throw new Refusal("protocol", 406, "This opens an event stream: send `Accept: text/event-stream`.");
    }
    this.#services.tallies.stand(x);
    const name = randomText(26);
    const line = new Line(turn, this.#services, this.#within, () => this.#lines.delete(name));
    this.#lines.set(name, line);
    const [path] = (x.req.url ?? "").split("?");
    const posts = `${path!.slice(0, -"/sse".length)}/messages`;
    line.begin(`${posts}?session=${this.#services.peers.self}.${name}`);
  }

  /** A message. */
  #take(turn: Turn): void {
    const { x } = turn;
    x.record.transport = "sse";
    x.record.era = "handshake";
    const [, query] = (x.req.url ?? "").split("?");
    const match = address.exec(new URLSearchParams(query).get("session") ?? "");
    if (match === null) throw unknown("no line is named");
    const [, holder, name] = match as unknown as [string, string, string];
    if (holder !== this.#services.peers.self) {
      if (handOver(turn, this.#services, holder, () => unknown("the holder is gone"))) return;
      throw unknown("the holder is gone");
    }
    const line = this.#lines.get(name);
    if (line === undefined || !line.isOf(turn)) throw unknown("no such line of this caller");
    line.take(turn);
  }
}

/** One client's stream, and the session behind it. */
class Line implements Receiver, Patience {
  /** The request whose answer is the stream. */
  readonly #x: Exchange;
  /** As of the newest message. */
  #turn: Turn;
  readonly #services: Services;
  readonly #within: Within;
  readonly #onClosed: () => void;
  readonly #under = new Set<InnerResponse>();
  #out: EventStream | undefined;
  /** Where the server speaks first. */
  #standing: InnerResponse | undefined;
  /** The session's id and revision, once `initialize` has been answered. */
  #session: { readonly id: string; readonly revision: string } | undefined;

  constructor(turn: Turn, services: Services, within: Within, onClosed: () => void) {
    this.#x = turn.x;
    this.#turn = turn;
    this.#services = services;
    this.#within = within;
    this.#onClosed = onClosed;
  }

  begin(posts: string): void {
    this.#out = new EventStream(this.#x, this.#services.streams, this);
    this.#out.sendAs("endpoint", posts);
    this.#x.remind(this, INITIALIZE_MS);
  }

  /** Nobody initializes. */
  over(): void {
    this.#out?.end();
  }

  /** Whether it is the caller's own, and of this endpoint. */
  isOf({ endpoint, principal }: Turn): boolean {
    return endpoint.id === this.#turn.endpoint.id && idOf(principal) === idOf(this.#turn.principal);
  }

  take(turn: Turn): void {
    const { x } = turn;
    if (isBatch(x.body)) {
      throw new Refusal("protocol", 400, "Post each message by itself.", { code: codes.invalidRequest });
    }
    const res = this.#response();
    this.#turn = { ...turn, x: this.#x };
    x.discard();
    const inner = this.#within.post(turn, this.#request(turn, "POST"), res, x.body);
    res.x = inner;
    // What cannot be answered under an id on the stream is answered here.
    if (res.writableEnded && res.status >= 400 && inner.id === null) x.answer(res.status, res.text);
    else x.answerEmpty(202);
  }

  message(json: string, res: InnerResponse): boolean {
    const id = res.headers["mcp-session-id"];
    if (typeof id === "string") {
      this.#x.record.session = res.x?.record.session ?? null;
      this.#initialized(id, json);
    }
    if (res.status >= 400 && !isAnswer(json)) {
      const asked = res.x?.id ?? null;
      if (asked !== null) return this.#out?.send(unanswered(asked, res.status)) ?? true;
      res.text = json;
      return true;
    }
    return this.#out?.send(json.replace(/[\r\n]+/g, " ")) ?? true;
  }

  done(res: InnerResponse): void {
    this.#under.delete(res);
    // It ends with the session, the key, or the gateway; refused, nobody would notice the end of those.
    if (res === this.#standing) this.#out?.end();
  }

  /** The stream is closed, and with it the session. */
  closed(): void {
    this.#onClosed();
    for (const res of this.#under) res.destroy();
    this.#end();
  }

  #initialized(id: string, json: string): void {
    this.#end();
    const result = upstreamMessage(json)?.["result"];
    this.#x.callOff();
    this.#session = { id, revision: String(isObject(result) ? result["protocolVersion"] : undefined) };
    if (this.#out?.isOpen !== true) return this.#end();
    // From here on the server may speak first, on the same stream.
    process.nextTick(() => {
      if (this.#out?.isOpen !== true || this.#session?.id !== id) return;
      this.#standing = this.#response();
      this.#within.get(this.#turn, this.#request(this.#turn, "GET"), this.#standing);
    });
  }

  #end(): void {
    if (this.#session === undefined) return;
    const res = new InnerResponse(nobody, this.#x.res, 0);
    this.#within.end(this.#turn, this.#request(this.#turn, "DELETE"), res);
    this.#session = undefined;
  }

  #request({ x }: Turn, method: string): InnerRequest {
    const {
      "mcp-session-id": _,
      "mcp-protocol-version": __,
      "last-event-id": ___,
      ...headers
    } = x.req.headers;
    headers.accept = "application/json, text/event-stream";
    if (this.#session !== undefined) {
      headers["mcp-session-id"] = this.#session.id;
      headers["mcp-protocol-version"] = this.#session.revision;
    }
    return new InnerRequest(x.req, method, headers);
  }

  #response(): InnerResponse {
    const res = new InnerResponse(this, this.#x.res, this.#services.limits.messageBytes);
    this.#under.add(res);
    return res;
  }
}

const nobody: Receiver = { message: () => true, done: () => {} };

/** Whether what a server wrote is JSON that answers a request, under its id. */
function isAnswer(json: string): boolean {
  const message = upstreamMessage(json);
  return message !== undefined && message["id"] !== null && message["id"] !== undefined;
}

function unanswered(id: RequestId, status: number): string {
  const message = `The server answered with HTTP ${status} and no JSON-RPC response. The request may have taken effect.`;
  return errorText(id, ownCode(502), message);
}

function idOf(principal: Turn["principal"]): string {
  return principal.kind === "anonymous" ? "anonymous" : principal.id;
}

function unknown(because: string): Refusal {
  return new Refusal(
    "session",
    404,
    "This stream is not known here or is over. Open it anew with a GET of the address that ends in /sse.",
    { because },
  );
}
