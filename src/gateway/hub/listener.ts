import { isObject, type JsonObject, metaOf, type RequestId } from "../../mcp/envelope.ts";
import type { Era } from "../../mcp/eras.ts";
import { keepLogs } from "../../mcp/translate.ts";
import type { Principal } from "../../policy/decide.ts";
import type { Endpoint } from "../../snapshot/snapshot.ts";
import type { Proof } from "../admission/authenticate.ts";
import type { OpenSession, SessionBook } from "../sessions/session.ts";
import type { EventStream } from "../streams/event-stream.ts";
import type { Stream } from "../streams/stream.ts";
import type { FollowedTasks, Tasks } from "../tasks/tasks.ts";
import { type Filter, filterObject } from "./filter.ts";
import { SUBSCRIPTION_ID } from "./listen-source.ts";
import type { Member, Source } from "./source.ts";
import { listChanged, type ListKind, listKinds, printOf, visibleItems } from "./visible.ts";

/** Messages that wait for an acknowledgement at most, and the characters of their JSON; more are lost. */
const WAITING_MOST = 1000;
const WAITING_CHARACTERS = 1024 * 1024;

/** One client that listens: what it is told, and what it was told of. */
export abstract class Listener implements Member {
  /** Its place among the live ones. */
  slot = -1;
  /** As the snapshot has them now. */
  endpoint: Endpoint;
  principal: Principal;
  /** What its client came with last, proved anew as long as it stands. */
  proof: Proof | undefined;
  /** Whether it may be told more of a session than changes of lists. */
  reads = false;
  abstract readonly era: Era;
  abstract readonly session: OpenSession | undefined;
  /** Where its upstream's messages come from, and what was decisive for choosing that. */
  source: Source | undefined;
  sourceKey = "";
  /** Resolves when that upstream listens for it, or when it is clear that it does not for now. */
  joined: Promise<void> = Promise.resolve();
  /** What it is to be told, and of that what its upstream is asked for. */
  asked: Filter;
  filter: Filter;
  readonly #prints = new Map<ListKind, string>();

  constructor(endpoint: Endpoint, principal: Principal, proof: Proof | undefined, asked: Filter) {
    this.endpoint = endpoint;
    this.principal = principal;
    this.proof = proof;
    this.asked = asked;
    this.filter = asked;
    for (const kind of listKinds) this.#prints.set(kind, this.#printOf(kind));
  }

  /** Itself and what stands and falls with it. */
  get all(): readonly Listener[] {
    return [this];
  }

  /** Its client is gone for good. */
  get deserted(): boolean {
    return false;
  }

  /** What it is subscribed to now; nothing where it may not read. */
  readUris(may: boolean): void {
    if (!may) this.asked = { ...this.asked, uris: new Set() };
  }

  /** A message that is for it. */
  abstract tell(message: JsonObject): void;

  /** Ends its stream in the way of its era, so that its client connects anew. */
  abstract end(): void;

  /** Tells of those lists that look otherwise to it than when it was told last. */
  compare(): void {
    for (const kind of listKinds) {
      const print = this.#printOf(kind);
      if (this.#prints.get(kind) === print) continue;
      this.#prints.set(kind, print);
      if (this.asked.lists.has(kind)) this.tell({ jsonrpc: "2.0", method: listChanged[kind] });
    }
  }

  #printOf(kind: ListKind): string {
    return printOf(visibleItems(this.endpoint, this.principal, kind));
  }
}

/** A stateless client's `subscriptions/listen`. */
export class ListenStream extends Listener {
  readonly era = "stateless";
  readonly session = undefined;
  readonly followed: FollowedTasks | undefined;
  readonly #id: RequestId;
  readonly #out: EventStream;
  readonly #tasks: Tasks;
  /** Until it is acknowledged. */
  #waiting: JsonObject[] | undefined = [];
  #characters = 0;

  constructor(
    listening: { endpoint: Endpoint; principal: Principal; proof: Proof | undefined; id: RequestId },
    filter: Filter,
    out: EventStream,
    tasks: Tasks,
    followed: FollowedTasks | undefined,
  ) {
    super(listening.endpoint, listening.principal, listening.proof, filter);
    this.#id = listening.id;
    this.#out = out;
    this.#tasks = tasks;
    this.followed = followed;
  }

  /** The first message: what of it all is honoured. What came before goes after it. */
  acknowledge(honoured: Filter): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    const taskIds = [...honoured.tasks].map((task) => this.followed?.idOf(task) ?? "");
    this.#send({
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: { notifications: filterObject(honoured, taskIds) },
    });
    for (const message of waiting) this.tell(message);
  }

  tell(message: JsonObject): void {
    if (this.#waiting !== undefined) return this.#wait(message, this.#waiting);
    if (message["method"] !== "notifications/tasks") return this.#send(message);
    const own = this.followed && this.#tasks.notification(this.followed, message);
    if (own !== undefined) this.#send(own);
  }

  end(): void {
    const mark = { [SUBSCRIPTION_ID]: this.#id };
    const result = { resultType: "complete", _meta: mark };
    this.#out.end(JSON.stringify({ jsonrpc: "2.0", id: this.#id, result }));
  }

  #wait(message: JsonObject, waiting: JsonObject[]): void {
    if (waiting.length >= WAITING_MOST) return;
    const characters = this.#characters + JSON.stringify(message).length;
    if (characters > WAITING_CHARACTERS) return;
    this.#characters = characters;
    waiting.push(message);
  }

  /** Marked with the client's own id, type kept (2026-07-28, basic/patterns/subscriptions). */
  #send(message: JsonObject): void {
    const params = isObject(message["params"]) ? message["params"] : {};
    const _meta = { ...metaOf(params), [SUBSCRIPTION_ID]: this.#id };
    this.#out.send(JSON.stringify({ ...message, params: { ...params, _meta } }));
  }
}

/** Where a handshake session's standing messages go. */
export interface Outlet {
  /** `matters`: it is a request. */
  send(json: string, matters: boolean): unknown;
  end(): void;
  /** Its client is gone for good. */
  readonly deserted?: boolean;
  /** Where its client goes on that lost the connection. */
  readonly stream?: Stream;
}

/** The stream of a handshake session on which its server speaks first. */
export class SessionStream extends Listener {
  readonly era = "handshake";
  readonly session: OpenSession;
  /** When it was opened; see `Peers.stands`. */
  readonly since: number;
  readonly #outlet: Outlet;
  readonly #book: SessionBook;
  /** What tells it updates of resources, where its upstream tells them in the other era than the rest. */
  readonly #beside: UpdatesBeside | undefined;

  constructor(
    listening: {
      endpoint: Endpoint;
      principal: Principal;
      proof: Proof | undefined;
      session: OpenSession;
      since: number;
    },
    outlet: Outlet,
    book: SessionBook,
  ) {
    super(listening.endpoint, listening.principal, listening.proof, {
      ...nothing,
      lists: new Set(listKinds),
    });
    this.session = listening.session;
    this.since = listening.since;
    this.#outlet = outlet;
    this.#book = book;
    this.#beside = this.session.claims.listens === true ? new UpdatesBeside(this, book) : undefined;
  }

  override get all(): readonly Listener[] {
    return this.#beside === undefined ? [this] : [this, this.#beside];
  }

  override get deserted(): boolean {
    return this.#outlet.deserted === true;
  }

  get stream(): Stream | undefined {
    return this.#outlet.stream;
  }

  /** Resolves when its upstream tells what it is subscribed to. */
  get told(): Promise<void> {
    return (this.#beside ?? this).joined;
  }

  override readUris(may: boolean): void {
    if (this.#beside === undefined)
      this.asked = { ...this.asked, uris: urisOf(this.#book, this.session, may) };
  }

  tell(message: JsonObject): void {
    const level = this.#book.level(this.session);
    if (level !== undefined && keepLogs(level)(message).kind === "drop") return;
    this.#outlet.send(JSON.stringify(message), "id" in message);
  }

  end(): void {
    this.#outlet.end();
  }
}

/** The updates of resources that a session is subscribed to, where they are told in the other era than the rest. */
class UpdatesBeside extends Listener {
  readonly era = "stateless";
  readonly session: OpenSession;
  readonly #main: SessionStream;
  readonly #book: SessionBook;

  constructor(main: SessionStream, book: SessionBook) {
    super(main.endpoint, main.principal, main.proof, nothing);
    this.session = main.session;
    this.#main = main;
    this.#book = book;
  }

  override readUris(may: boolean): void {
    this.asked = { ...nothing, uris: urisOf(this.#book, this.session, may) };
  }

  tell(message: JsonObject): void {
    this.#main.tell(message);
  }

  end(): void {
    // It has no stream of its own.
  }
}

const nothing: Filter = { lists: new Set(), uris: new Set(), tasks: new Set() };

function urisOf(book: SessionBook, session: OpenSession, may: boolean): ReadonlySet<string> {
  return new Set(may ? book.subscriptions(session) : []);
}
