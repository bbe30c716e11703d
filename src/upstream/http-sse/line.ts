import type { Dispatcher } from "undici";
import { sseMessage } from "../../lib/sse.ts";
import { isId, isObject, type JsonObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import { keyOf, readMessage, tokenOf } from "./message.ts";
import { Post } from "./post.ts";
import { busy, Posts } from "./posts.ts";
import { type Reply, Room } from "./reply.ts";
import { Stream } from "./stream.ts";

/** Where a line leads. */
export interface LineEnds {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly path: string;
  /** Headers of the GET. */
  readonly headers: string[];
  /** Its stream is over. */
  onOver(): void;
}

/** A message as it is posted, and what it says of itself. */
export interface Posted {
  readonly text: string;
  readonly message: JsonObject;
  readonly headers: string[];
}

interface Call {
  readonly reply: Reply;
  readonly method: string;
  /** The key of its progress token. */
  readonly token: string | undefined;
  /** Monotonic milliseconds at which the server was told that nobody waits for it. */
  cancelledAt: number;
}

/** Requests under way on one line. */
const CALLS_MOST = 1024;
/** Readers of what belongs to no request; the newest is told. */
const EARS_MOST = 8;
/** What is done by code of the server's own, which may ask its client something. */
const asking = new Set(["tools/call", "prompts/get", "resources/read"]);

/**
 * One stream of a server, and the requests whose answers come on it. The
 * messages pass as they are: their senders name each request and each progress
 * token once within a session (2025-11-25, basic), and a line is one session.
 */
export class Line {
  readonly id: string;
  /** Resolves when messages can be posted; rejects with what stopped it. */
  readonly opened: Promise<void>;
  /** Monotonic milliseconds at which a request or a listener last came or was over; Infinity before. */
  usedAt = Infinity;
  readonly #ends: LineEnds;
  readonly #stream: Stream;
  readonly #calls = new Map<string, Call>();
  readonly #ears: Reply[] = [];
  readonly #posts: Posts;
  /** Where answers wait whose readers are slow. */
  readonly #room = new Room();
  /** What its stream ended with. */
  #end: Error | undefined;

  constructor(id: string, ends: LineEnds) {
    this.id = id;
    this.#ends = ends;
    this.#posts = new Posts(ends);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.opened = promise;
    this.#stream = new Stream(ends.dispatcher, ends, ends.headers, {
      opened: (path) => {
        this.#posts.path = path;
        resolve();
      },
      message: (text) => this.#heard(text),
      over: (error) => {
        reject(error);
        this.#ended(error);
      },
    });
  }

  /** Its stream is over. */
  get over(): boolean {
    return this.#end !== undefined;
  }

  /** Nothing is under way; somebody may listen. */
  get rests(): boolean {
    return this.#calls.size === 0;
  }

  /** Nothing is under way, and nobody listens. */
  get idle(): boolean {
    return this.#calls.size === 0 && this.#ears.length === 0;
  }

  close(error: Error): void {
    this.#stream.close(error);
  }

  /** A message, and the answer to it: a request's is an event stream with what belongs to it. */
  send(posted: Posted, reply: Reply): void {
    if (this.#end !== undefined) return reply.fail(this.#end);
    const { method, id, params } = posted.message;
    reply.room = this.#room;
    if (typeof method !== "string" || id === undefined) {
      if (method === "notifications/cancelled" && isObject(params)) this.#cancelled(params["requestId"]);
      if (this.#posts.full(false)) return busy(reply, null);
      const post = this.#posting(reply, () => reply.whole(202));
      reply.onOver = () => {
        if (reply.aborted) post.abort();
      };
      return this.#posts.send(post, posted);
    }
    this.usedAt = performance.now();
    const key = JSON.stringify(id);
    if (!isId(id) || this.#calls.has(key) || this.#calls.size >= CALLS_MOST) {
      const words = this.#calls.has(key)
        ? "A request with this id is under way in this session."
        : "The id is none, or too many requests are under way in this session.";
      return reply.refuse(400, null, codes.invalidRequest, words);
    }
    if (this.#posts.full(true)) return busy(reply, id);
    const call = { reply, method, token: tokenOf(params), cancelledAt: Infinity };
    this.#calls.set(key, call);
    const post = this.#posting(reply, () => {
      if (method !== "initialize") reply.head(200, events);
    });
    reply.onOver = () => {
      this.usedAt = performance.now();
      const answered = !this.#calls.delete(key);
      if (answered && !reply.aborted) return this.#posts.answered(post);
      post.abort();
      if (!reply.aborted) return;
      // Nobody knows a session that was not answered for.
      if (method === "initialize") this.close(new Error("Nobody waits for the session any more."));
    };
    this.#posts.send(post, posted);
  }

  /** The stream of what belongs to no request. */
  hear(reply: Reply): void {
    reply.room = this.#room;
    reply.head(200, events);
    if (reply.over) return;
    if (this.#ears.length >= EARS_MOST) this.#ears.shift()?.end();
    this.usedAt = performance.now();
    this.#ears.push(reply);
    reply.onOver = () => {
      this.usedAt = performance.now();
      const at = this.#ears.indexOf(reply);
      if (at >= 0) this.#ears.splice(at, 1);
    };
  }

  /** Lets go of calls that were cancelled before that time and are not answered. */
  letGo(before: number): void {
    for (const { reply, cancelledAt } of this.#calls.values()) if (cancelledAt < before) reply.end();
  }

  #posting(reply: Reply, taken: () => void): Post {
    return new Post({
      sent: () => reply.start(),
      taken,
      refused: (status) => this.#refused(status, reply),
      failed: (error) => reply.fail(error),
    });
  }

  #refused(status: number, reply: Reply): void {
    const lost = status === 404 || status === 410;
    // 404 would say that nothing has happened; what became of this message, nobody knows.
    const words = `The server refused the message with HTTP ${status}.`;
    if (!reply.begun) reply.refuse(lost ? 502 : status, null, codes.internal, words);
    if (lost) this.close(new Error(words));
  }

  #cancelled(id: unknown): void {
    const call = this.#calls.get(keyOf(id) ?? "");
    if (call !== undefined) call.cancelledAt = performance.now();
  }

  #heard(text: string): void {
    const message = readMessage(text);
    if (message === undefined) return;
    const line = text.replace(/[\r\n]+/g, " ");
    if (typeof message["method"] !== "string") return this.#answered(message, line);
    const recipient = this.#recipientOf(message);
    if (recipient !== undefined) {
      recipient.head(200, events);
      recipient.write(sseMessage(line));
    } else if (message["id"] !== undefined) this.#unheard(message);
  }

  #answered(message: JsonObject, text: string): void {
    const key = keyOf(message["id"]) ?? "";
    const call = this.#calls.get(key);
    if (call === undefined) return;
    // What is answered is not broken off by the stream's end, however slow its reader is.
    this.#calls.delete(key);
    const { reply, method } = call;
    if (method === "initialize") {
      const agreed = isObject(message["result"]);
      reply.whole(200, text, agreed ? { "mcp-session-id": this.id } : {});
      if (!agreed) this.close(new Error("The server refused the session."));
      return;
    }
    reply.head(200, events);
    reply.write(sseMessage(text));
    reply.end();
  }

  /**
   * Whom something is told that answers no request. On this transport nothing
   * relates it to one but a progress token; with one call under way it belongs
   * to that, with several to whoever hears the rest. What is logged while
   * several are under way, and nobody hears the rest, is told to nobody.
   */
  #recipientOf({ method, params, id }: JsonObject): Reply | undefined {
    const calls = [...this.#calls.values()].filter((call) => call.method !== "initialize");
    if (method === "notifications/progress") {
      const token = isObject(params) ? keyOf(params["progressToken"]) : undefined;
      return calls.find((call) => call.token === token && token !== undefined)?.reply;
    }
    const ear = this.#ears.at(-1);
    if (method === "notifications/message") {
      // Several clients may share a session, and none may read what another one's call logs.
      const working = calls.filter((call) => call.method !== "logging/setLevel");
      return working.length === 1 ? working[0]!.reply : ear;
    }
    const able = calls.filter((call) => asking.has(call.method));
    if (id !== undefined && able.length === 1) return able[0]!.reply;
    return ear ?? (able[0] ?? calls[0])?.reply;
  }

  /** A server may ask whether somebody is there; for all else somebody must hear it. */
  #unheard({ id, method }: JsonObject): void {
    const answer =
      method === "ping"
        ? { result: {} }
        : { error: { code: codes.methodNotFound, message: "Nobody is there who could be asked." } };
    this.#posts.answer(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  }

  #ended(error: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#ends.onOver();
    for (const { reply } of this.#calls.values()) reply.fail(error);
    for (const reply of this.#ears.splice(0)) reply.end();
    this.#posts.close(error);
  }
}

const events = { "content-type": "text/event-stream" };
