import { codes, errorText } from "../../mcp/errors.ts";
import { SUBSCRIPTION_BYTES } from "../../snapshot/session.ts";
import type { Asked } from "../admission/envelope.ts";
import type { Exchange, Flow } from "../exchange/exchange.ts";
import { Refusal } from "../refusal.ts";
import type { OpenSession, SessionBook } from "../sessions/session.ts";
import type { Turn } from "../turn.ts";
import { bytesOf, isUri, SUBSCRIPTIONS_MOST, tellsUpdates } from "./filter.ts";

/** What handshake sessions are subscribed to: `resources/subscribe` and `resources/unsubscribe` (2025-11-25, server/resources). */
export class Subscriptions {
  readonly #book: SessionBook;
  readonly #joined: (session: string) => Promise<void> | undefined;
  /** Who waits: however long an upstream says nothing, nothing stays of requests that are over. */
  readonly #waiting = new Set<Answering>();
  readonly #watched = new WeakSet<Promise<void>>();

  /** `joined`: resolves when the upstream tells what a session with a stream here is subscribed to now. */
  constructor(book: SessionBook, joined: (session: string) => Promise<void> | undefined) {
    this.#book = book;
    this.#joined = joined;
  }

  /** How many requests wait for upstreams, for tests that count. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Answers either of both where the gateway subscribes for the session. Throws refusals. */
  answer({ x, endpoint }: Turn, session: OpenSession, request: Asked): void {
    const { uri } = request.params;
    const on = request.method === "resources/subscribe";
    if (!tellsUpdates(endpoint.manifest)) {
      const none = "This server does not tell updates of its resources.";
      return x.answer(200, errorText(request.id, codes.methodNotFound, none));
    }
    if (!isUri(uri)) {
      return x.answer(200, errorText(request.id, codes.invalidParams, "params.uri is no URI."));
    }
    if (on) this.#judge({ endpoint }, session, uri);
    const answering = new Answering(x, endpoint.requestWindowMs);
    this.#set({ endpoint }, session, uri, on).then(
      () => this.#answerOnce(this.#joined(session.claims.sid), answering),
      (error: unknown) => answering.fail(error instanceof Refusal ? error : unkept(error)),
    );
  }

  /**
   * Takes notice of either on its way to an upstream that subscribes the
   * session itself: once it has, an instance is kept awake for it, and one that
   * takes its place is told. Throws where a session may subscribe to no more.
   */
  notice({ x, endpoint }: Turn, session: OpenSession, request: Asked): void {
    const { uri } = request.params;
    if (!isUri(uri)) return;
    const on = request.method === "resources/subscribe";
    if (on) this.#judge({ endpoint }, session, uri);
    x.res.once("close", () => {
      if (x.record.is_error) return;
      // What cannot be kept is told by this instance as long as it runs.
      this.#set({ endpoint }, session, uri, on).catch(() => {});
    });
  }

  /** Answers when the upstream does what is asked too, where it is told by this gateway. */
  #answerOnce(joined: Promise<void> | undefined, answering: Answering): void {
    if (joined === undefined) return answering.done();
    answering.waitFor(joined, this.#waiting);
    if (this.#watched.has(joined)) return;
    this.#watched.add(joined);
    const done = (): void => {
      this.#watched.delete(joined);
      for (const each of this.#waiting) if (each.waitsFor(joined)) each.done();
    };
    joined.then(done, done);
  }

  /** Resolves when every gateway knows. */
  async #set(at: Pick<Turn, "endpoint">, session: OpenSession, uri: string, on: boolean): Promise<void> {
    const book = this.#book;
    await (on ? book.subscribe(at, session, uri) : book.unsubscribe(at, session, uri));
    // Others that were under way at the same time may have taken the room.
    if (on) this.#judge(at, session, uri);
  }

  #judge(at: Pick<Turn, "endpoint">, session: OpenSession, uri: string): void {
    const held = this.#book.subscriptions(session);
    if (held.includes(uri)) return;
    if (held.length >= SUBSCRIPTIONS_MOST) throw full(`${SUBSCRIPTIONS_MOST} resources, which is the most`);
    if (bytesOf(held) + Buffer.byteLength(uri) > SUBSCRIPTION_BYTES) {
      throw full(`so many that this URI does not fit in: all have ${SUBSCRIPTION_BYTES} bytes at most`);
    }
    this.#book.judgeKept(at, session);
  }
}

/** One request, until its answer, its end or the end of its window. */
class Answering implements Flow {
  readonly #x: Exchange;
  readonly #windowMs: number;
  #among: Set<Answering> | undefined;
  #joined: Promise<void> | undefined;
  #over = false;

  constructor(x: Exchange, windowMs: number) {
    this.#x = x;
    this.#windowMs = windowMs;
    x.begin(this, windowMs);
  }

  waitFor(joined: Promise<void>, among: Set<Answering>): void {
    if (this.#over) return;
    this.#joined = joined;
    this.#among = among;
    among.add(this);
  }

  waitsFor(joined: Promise<void>): boolean {
    return this.#joined === joined;
  }

  done(): void {
    const { id } = this.#x;
    if (this.#end()) this.#x.answer(200, JSON.stringify({ jsonrpc: "2.0", id, result: {} }));
  }

  fail(refusal: Refusal): void {
    if (this.#end()) this.#x.refuse(refusal);
  }

  leave(): void {
    this.#end();
  }

  expire(): void {
    const words = `The server did not answer within the request window of ${this.#windowMs} ms. What was asked for is kept, and holds once the server tells of its resources.`;
    this.fail(new Refusal("upstream", 504, words, { outcome: "timeout" }));
  }

  /** Whether it was not over before. */
  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#among?.delete(this);
    this.#x.over();
    return true;
  }
}

function full(subscribed: string): Refusal {
  return new Refusal(
    "limit",
    200,
    `This session is subscribed to ${subscribed}. Unsubscribe from some first.`,
  );
}

function unkept(error: unknown): Refusal {
  return new Refusal("session", 503, "The subscription could not be kept just now. Send it again.", {
    because: error instanceof Error ? error.message : String(error),
  });
}
