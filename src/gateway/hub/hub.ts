import { Lru } from "../../lib/lru.ts";
import type { JsonObject } from "../../mcp/envelope.ts";
import { addressOf, type Endpoint, type Snapshot, type SnapshotChange } from "../../snapshot/snapshot.ts";
import { attempt } from "../attempt.ts";
import { proofOf } from "../admission/authenticate.ts";
import type { Asked, Envelope } from "../admission/envelope.ts";
import type { Ground } from "../ground.ts";
import { handOver, holderGone } from "../hand-over.ts";
import { Live } from "../exchange/live.ts";
import type { Tokens } from "../ports.ts";
import type { Refusal } from "../refusal.ts";
import type { OpenSession } from "../sessions/session.ts";
import { EventStream } from "../streams/event-stream.ts";
import type { Stream } from "../streams/stream.ts";
import type { Tallies } from "../admission/tally.ts";
import type { Tasks } from "../tasks/tasks.ts";
import type { Turn } from "../turn.ts";
import type { UpstreamSessions } from "../sessions/upstream-sessions.ts";
import { changedList, honoured, passes, readFilter } from "./filter.ts";
import { type Listener, ListenStream, type Outlet, SessionStream } from "./listener.ts";
import { SessionOutlet } from "./session-outlet.ts";
import { Sources } from "./sources.ts";
import { Subscriptions } from "./subscriptions.ts";
import { mayDiscover, mayRead } from "./visible.ts";

export interface HubServices extends Pick<
  Ground,
  "book" | "clock" | "credentials" | "leases" | "limits" | "peers" | "pools" | "streams"
> {
  readonly snapshot: Snapshot;
  readonly tokens: Tokens;
  readonly tallies: Tallies;
  readonly tasks: Tasks;
  readonly upstreamSessions: UpstreamSessions;
}

/** How soon a stream ends whose key, session or access has ended without a word of the snapshot. */
const SWEEP_MS = 1_000;
/** How long a client waits to be told that its upstream listens too. */
const ATTACH_MS = 10_000;

/**
 * Everything that a server tells without being asked: the standing streams of
 * clients, and those of the gateway's own to the upstreams behind them. What
 * a client sees of lists is compared after every change of the snapshot.
 */
export class Hub {
  readonly #services: HubServices;
  readonly #sources: Sources;
  readonly #subscriptions: Subscriptions;
  readonly #listeners = new Live<Listener>();
  /** Session → its standing stream. */
  readonly #sessions = new Map<string, SessionStream>();
  /** Session → the other process at which its stream was opened last. */
  readonly #elsewhere = new Lru<string, string>(10_000);
  readonly #unwatch: () => void;
  #sweptAt = 0;

  constructor(services: HubServices) {
    this.#services = services;
    this.#sources = new Sources({ ...services, changed: (endpoint) => this.#outdated(endpoint) });
    this.#subscriptions = new Subscriptions(services.book, (sid) => this.#sessions.get(sid)?.told);
    this.#unwatch = services.snapshot.watch((change) => this.#changed(change));
  }

  /** What stands, for tests that count. */
  get sizes(): { readonly listeners: number; readonly shared: number; readonly waiting: number } {
    const { waiting } = this.#subscriptions;
    return { listeners: this.#listeners.size, shared: this.#sources.size, waiting };
  }

  /** `subscriptions/listen` of a stateless client (2026-07-28, basic/patterns/subscriptions). Throws refusals. */
  listen(turn: Turn, { request }: Envelope & { kind: "stateless" }): void {
    const { x, endpoint, principal } = turn;
    const { streams, tallies, tasks } = this.#services;
    const asked = readFilter(request.params);
    const { taskIds } = request.params["notifications"] as JsonObject;
    const followed = taskIds === undefined ? undefined : tasks.filter(turn, request.params, taskIds);
    const filter = honoured({ ...asked, tasks: new Set(followed?.upstream) }, endpoint, principal);
    tallies.stand(x);
    let standing: ListenStream | undefined;
    const owner = {
      closed: () => {
        if (standing !== undefined) this.#remove(standing);
      },
    };
    const out = new EventStream(x, streams, owner);
    // Who left while the request was read is told nothing any more.
    if (!out.isOpen) return;
    const listening = { endpoint, principal, proof: proofOf(x), id: request.id };
    const listener = new ListenStream(listening, filter, out, tasks, followed);
    standing = listener;
    this.#listeners.add(listener);
    void this.#attached(listener).then(() =>
      listener.acknowledge(listener.source?.granted(filter) ?? filter),
    );
  }

  /** A GET of a handshake session: the stream on which its server speaks first (2025-11-25, basic/transports). */
  stand(turn: Turn, session: OpenSession): void {
    const { x } = turn;
    const { streams, tallies } = this.#services;
    tallies.stand(x);
    this.attach(turn, session, new SessionOutlet(x, session, streams));
  }

  /** What a session is told without asking goes to `outlet`; a session has one, and the newest stays, wherever it is. */
  attach({ x, endpoint, principal }: Turn, session: OpenSession, outlet: Outlet): void {
    const { book, peers } = this.#services;
    const { sid } = session.claims;
    const before = this.#sessions.get(sid);
    if (before !== undefined) this.#end(before);
    this.#elsewhere.delete(sid);
    // A session that came on an HTTP+SSE stream is known to nobody else.
    const since = x.inner ? 0 : peers.stands(sid);
    const listening = { endpoint, principal, proof: proofOf(x), session, since };
    const listener = new SessionStream(listening, outlet, book);
    this.#sessions.set(sid, listener);
    for (const each of listener.all) {
      this.#listeners.add(each);
      this.#check(each);
    }
  }

  /** A session's stream stands at the process `holder` since `at`, as that tells: the newer of two stays. */
  stands(holder: string, session: string, at: number): void {
    const own = this.#sessions.get(session);
    // Its own word is on its way to the other.
    if (own !== undefined && own.since > at) return;
    if (own !== undefined) this.#end(own);
    this.#elsewhere.set(session, holder);
  }

  /** The sessions whose stream is here, and since when: for a process that came later. */
  standing(): (readonly [string, number])[] {
    return [...this.#sessions].filter(([, { since }]) => since > 0).map(([sid, { since }]) => [sid, since]);
  }

  /** A stream is resumed: the session's standing one stands from now on with what its client came back with. */
  resumed({ x }: Turn, session: OpenSession, stream: Stream): void {
    const listener = this.#sessions.get(session.claims.sid);
    if (listener?.stream !== stream) return;
    for (const each of listener.all) each.proof = proofOf(x);
  }

  /** `resources/subscribe` or `unsubscribe` of a session for which the gateway subscribes: answered where its stream stands. */
  subscription(turn: Turn, session: OpenSession, request: Asked): void {
    const { x } = turn;
    const here = (): void => this.#subscriptions.answer(turn, session, request);
    const gone = (): Refusal | undefined => {
      if (x.res.headersSent) return holderGone();
      attempt(x, here);
      return undefined;
    };
    const holder = x.inner ? undefined : this.#elsewhere.get(session.claims.sid);
    if (holder === undefined || !handOver(turn, this.#services, holder, gone)) here();
  }

  /** Either of both on its way to an upstream that subscribes the session itself. */
  notice(turn: Turn, session: OpenSession, request: Asked): void {
    this.#subscriptions.notice(turn, session, request);
  }

  /** A notification that came on a request's own stream, where its client cannot be told: the listeners of the same principal are. */
  heard({ endpoint, principal }: Turn, message: JsonObject): void {
    if (changedList(message) !== undefined) this.#outdated(endpoint);
    for (const listener of this.#listeners.all()) {
      if (listener.endpoint.id !== endpoint.id || listener.principal !== principal) continue;
      if (listener.session === undefined && passes(listener.asked, message)) listener.tell(message);
    }
  }

  /** Called by the gateway's ticks. */
  tick(): void {
    const now = this.#services.clock.monotonic();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const listener of this.#listeners.all()) this.#check(listener, true);
  }

  /** Ends every standing stream with its normal end. */
  close(): void {
    this.#unwatch();
    for (const listener of this.#listeners.all()) this.#end(listener);
    this.#sources.close();
  }

  #changed(change: SnapshotChange): void {
    for (const listener of this.#listeners.all()) {
      const { kind, subject } = change;
      const { endpoint, principal, session } = listener;
      if (kind === "server" && endpoint.server.id !== subject) continue;
      if (kind === "session" && session?.claims.sid !== subject) continue;
      if (kind === "principal" && principal.kind !== "anonymous" && principal.id !== subject) continue;
      this.#check(listener);
    }
  }

  /** Ends a stream that may not stand any more; else tells it what changed for it. `swept`: no change was told of. */
  #check(listener: Listener, swept = false): void {
    const { snapshot, tokens, book } = this.#services;
    const { endpoint: before, proof, session } = listener;
    const { organization, server, deployment } = before;
    const endpoint = snapshot.endpoint(addressOf(organization.slug, server.slug, deployment));
    const principal =
      proof === undefined ? listener.principal : tokens.verify(proof.token, proof.hash)?.principal;
    if (endpoint?.id !== before.id || principal === undefined || !mayDiscover(endpoint, principal)) {
      return this.#end(listener);
    }
    if (listener.deserted || (session !== undefined && book.isOver(session, endpoint))) {
      return this.#end(listener);
    }
    // Who only listens uses the session too.
    if (session !== undefined) book.use(endpoint, session);
    if (swept && endpoint === before && principal === listener.principal) return;
    listener.endpoint = endpoint;
    listener.principal = principal;
    listener.reads = mayRead(endpoint, principal);
    listener.readUris(listener.reads);
    listener.compare();
    listener.joined = this.#sources.join(listener) ?? listener.joined;
  }

  /** What was discovered of an external server is out of date. */
  #outdated({ upstream }: Endpoint): void {
    if (upstream.kind === "external") this.#services.leases.doubt(upstream);
  }

  /** Resolves when the upstream listens too, or when that takes too long. */
  async #attached(listener: Listener): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ATTACH_MS);
    listener.joined = this.#sources.join(listener) ?? listener.joined;
    await Promise.race([listener.joined, late]);
    clearTimeout(timer);
  }

  #end(listener: Listener): void {
    this.#remove(listener);
    listener.end();
  }

  #remove(listener: Listener): void {
    for (const each of listener.all) {
      if (each.slot < 0) continue;
      this.#listeners.remove(each);
      each.slot = -1;
      this.#sources.leave(each);
    }
    const sid = listener.session?.claims.sid;
    if (sid !== undefined && this.#sessions.get(sid) === listener) this.#sessions.delete(sid);
  }
}
