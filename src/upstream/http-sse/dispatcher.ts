import { Dispatcher } from "undici";
import { randomText } from "../../lib/ids.ts";
import { isId, type JsonObject } from "../../mcp/envelope.ts";
import { codes } from "../../mcp/errors.ts";
import type { Dial } from "../dial.ts";
import { Line } from "./line.ts";
import { readMessage } from "./message.ts";
import { Reply } from "./reply.ts";
import { NotServed } from "./stream.ts";

export interface SseLimits {
  /** Streams to one server; each has a connection. One more takes the place of the one that was idle for longest. */
  readonly lines: number;
  /** Milliseconds without a request after which a stream that somebody listens to can be replaced, too. */
  readonly listenedMs: number;
  /** Milliseconds after which a stream is closed on which nothing is under way. */
  readonly idleMs: number;
  /** Milliseconds that a server gets to answer a call that was cancelled; most do not answer it. */
  readonly cancelledMs: number;
}

const defaults: SseLimits = { lines: 512, listenedMs: 60_000, idleMs: 15 * 60_000, cancelledMs: 5_000 };
const SWEEP_MS = 5_000;

const id = /^([\w-]{1,128})\.[0-9a-z]{26}$/;

/** The gateway process that holds the stream of a session; undefined for an id that is no session's. */
export function holderOf(session: string): string | undefined {
  return id.exec(session)?.[1];
}

/**
 * Speaks HTTP+SSE (2024-11-05, basic/transports) to one server, and to those
 * who dispatch here Streamable HTTP of the handshake era: `initialize` opens
 * the stream and is answered with a session id of its own, which every other
 * request names. A session that is not open here is 404; nothing has been sent
 * then. What is dialled goes through the dispatcher that it was given.
 */
export class SseDispatcher extends Dispatcher {
  readonly #dial: Dial;
  readonly #self: string;
  readonly #limits: SseLimits;
  readonly #lines = new Map<string, Line>();
  readonly #onUnused: (() => void) | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  /** Monotonic milliseconds since which no stream is open. */
  #unusedAt = performance.now();

  /**
   * `self`: the name of this gateway process. `onUnused` is called where no
   * stream was open for as long as one may be idle.
   */
  constructor(dial: Dial, self: string, limits: Partial<SseLimits> = {}, onUnused?: () => void) {
    super();
    this.#dial = dial;
    this.#self = self;
    this.#limits = { ...defaults, ...limits };
    this.#onUnused = onUnused;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#sweeper ??= setInterval(() => this.#sweep(), this.#sweepMs).unref();
    const reply = new Reply(handler);
    const headers = listOf(options.headers);
    const session = valueIn(headers, "mcp-session-id");
    const line = session === undefined ? undefined : this.#lines.get(session);
    if (options.method === "POST") this.#take(textOf(options.body), headers, session, reply);
    else if (line === undefined) unknown(reply);
    else if (options.method === "GET") line.hear(reply);
    else {
      line.close(new Error("The session has ended."));
      reply.whole(204);
    }
    return true;
  }

  /** Closes every stream. */
  override async close(): Promise<void> {
    for (const line of this.#lines.values()) line.close(new Error("The gateway is closing."));
    this.#rest();
  }

  override destroy(): Promise<void> {
    return this.close();
  }

  #take(text: string, headers: readonly string[], session: string | undefined, reply: Reply): void {
    const message = readMessage(text);
    if (message === undefined) {
      return reply.refuse(400, null, codes.invalidRequest, "Post each message by itself.");
    }
    const posted = { text, message, headers: passed(headers, postOnly) };
    if (session !== undefined) {
      const line = this.#lines.get(session);
      if (line === undefined) unknown(reply, message);
      else line.send(posted, reply);
    } else if (message["method"] === "initialize") this.#begin(posted, headers, reply);
    else reply.refuse(400, null, codes.invalidRequest, "A session begins with `initialize`.");
  }

  #begin(
    posted: { text: string; message: JsonObject; headers: string[] },
    headers: readonly string[],
    reply: Reply,
  ) {
    const { lines } = this.#limits;
    // A session that loses its stream so is opened anew by its next request.
    if (this.#lines.size >= lines) this.#spare()?.close(new Error("Another session needed its stream."));
    if (this.#lines.size >= lines) {
      const words = `${lines} streams to this server are in use, which is as many as one may have. Try again once a call is over.`;
      return reply.refuse(503, null, codes.internal, words);
    }
    const name = `${this.#self}.${randomText(26)}`;
    const line = new Line(name, {
      dispatcher: this.#dial.dispatcher,
      origin: this.#dial.origin,
      path: this.#dial.path,
      headers: [...passed(headers, getOnly), "accept", "text/event-stream"],
      onOver: () => this.#ended(name),
    });
    if (!line.over) this.#lines.set(name, line);
    line.opened.then(
      () => line.send(posted, reply),
      (error: Error) => {
        if (!(error instanceof NotServed)) return reply.fail(error);
        if (error.status !== undefined) return reply.whole(error.status);
        const given = posted.message["id"];
        reply.refuse(404, isId(given) ? given : null, codes.methodNotFound, error.message);
      },
    );
  }

  /** The line that is missed least: idle for longest, or else without a request for longest though somebody listens. */
  #spare(): Line | undefined {
    const listenedSince = performance.now() - this.#limits.listenedMs;
    const resting = [...this.#lines.values()].filter((line) => line.rests && line.usedAt < Infinity);
    const idle = resting.filter((line) => line.idle);
    const spare = idle.length > 0 ? idle : resting.filter((line) => line.usedAt < listenedSince);
    return spare.toSorted((a, b) => a.usedAt - b.usedAt)[0];
  }

  #ended(name: string): void {
    this.#lines.delete(name);
    this.#unusedAt = performance.now();
  }

  #rest(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  get #sweepMs(): number {
    const { idleMs, cancelledMs } = this.#limits;
    return Math.max(10, Math.min(idleMs / 4, cancelledMs / 4, SWEEP_MS));
  }

  #sweep(): void {
    const { idleMs, cancelledMs } = this.#limits;
    const now = performance.now();
    for (const line of this.#lines.values()) {
      line.letGo(now - cancelledMs);
      if (line.idle && now - line.usedAt > idleMs) line.close(new Error("The session was idle."));
    }
    if (this.#lines.size > 0 || now - this.#unusedAt <= idleMs) return;
    this.#rest();
    this.#onUnused?.();
  }
}

/** A dial of the same address that is spoken to over HTTP+SSE. */
export function overSse(
  dial: Dial,
  self = randomText(16),
  limits: Partial<SseLimits> = {},
  onUnused?: () => void,
): Dial & { readonly dispatcher: SseDispatcher } {
  return { ...dial, dispatcher: new SseDispatcher(dial, self, limits, onUnused) };
}

function unknown(reply: Reply, message?: JsonObject): void {
  const given = message?.["id"];
  reply.refuse(404, isId(given) ? given : null, codes.invalidRequest, "This session is not open.");
}

/** The gateway gives bodies whole. */
function textOf(body: Dispatcher.DispatchOptions["body"]): string {
  return typeof body === "string" ? body : Buffer.isBuffer(body) ? body.toString() : "";
}

/** A flat list of names, in lower case, and values. */
function listOf(headers: Dispatcher.DispatchOptions["headers"]): string[] {
  if (headers === null || headers === undefined) return [];
  if (Array.isArray(headers)) return headers.map((each, i) => (i % 2 === 0 ? each.toLowerCase() : each));
  const list: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) list.push(name.toLowerCase(), String(value));
  }
  return list;
}

function valueIn(list: readonly string[], name: string): string | undefined {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
  return;
}

/** What only Streamable HTTP knows, and what belongs to the request alone. */
const postOnly = new Set(["mcp-session-id", "accept", "content-length"]);
const getOnly = new Set([...postOnly, "content-type", "mcp-protocol-version"]);

function passed(list: readonly string[], without: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < list.length; i += 2) if (!without.has(list[i]!)) kept.push(list[i]!, list[i + 1]!);
  return kept;
}
