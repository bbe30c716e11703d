import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, systemClock } from "../lib/clock.ts";
import { randomText } from "../lib/ids.ts";
import { isBatch } from "../mcp/batch.ts";
import type { Principal } from "../policy/decide.ts";
import type { Endpoint, Snapshot } from "../snapshot/snapshot.ts";
import { createPools, type Pools } from "../upstream/pool.ts";
import { attempt, refuse } from "./attempt.ts";
import { createAuthenticator } from "./admission/authenticate.ts";
import { admit, authorize } from "./admission/authorize.ts";
import { readBody } from "./admission/body.ts";
import { Browsers, preflightHeaders } from "./admission/browsers.ts";
import { Conversation } from "./conversation.ts";
import { needsOf, readEnvelope } from "./admission/envelope.ts";
import { Exchange } from "./exchange/exchange.ts";
import { clientHeader } from "./hand-over.ts";
import { HeldSessions } from "./sessions/held-sessions.ts";
import { Hub } from "./hub/hub.ts";
import type { Incoming, Outgoing } from "./http.ts";
import { Leases } from "./exchange/leases.ts";
import { Live } from "./exchange/live.ts";
import { defaultLimits, type GatewayLimits } from "./limits.ts";
import type { Credentials, Instances, Peers, Records, Sessions, Tokens, Upstreams } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import { faceOf, isGatewayPath, resolve } from "./admission/resolve.ts";
import type { Services } from "./services.ts";
import { SessionBook } from "./sessions/session.ts";
import { VirtualSessions } from "./sessions/virtual-sessions.ts";
import { batch } from "./streams/batch.ts";
import { HttpSse } from "./streams/http-sse.ts";
import { Streams } from "./streams/streams.ts";
import { createWithin } from "./streams/within.ts";
import { UpstreamSessions } from "./sessions/upstream-sessions.ts";
import { Tasks } from "./tasks/tasks.ts";
import { Tallies } from "./admission/tally.ts";
import { Withdrawals } from "./exchange/withdrawals.ts";

export interface GatewayOptions {
  readonly snapshot: Snapshot;
  readonly tokens: Tokens;
  readonly credentials: Credentials;
  readonly instances: Instances;
  readonly sessions: Sessions;
  readonly records: Records;
  /** Told where an upstream is not what it was taken for. */
  readonly upstreams?: Upstreams;
  /** The other gateway processes; without, this is the only one. */
  readonly peers?: Peers;
  /** Where clients reach us, such as `http://localhost:8080`. */
  readonly publicUrl: string;
  /** Web origins whose pages may be clients, beside our own; `*` for any. */
  readonly allowedOrigins?: readonly string[];
  readonly clock?: Clock;
  readonly limits?: Partial<GatewayLimits>;
  /** First path segments that are no organization. */
  readonly reserved?: ReadonlySet<string>;
  readonly pools?: Pools;
}

export interface Gateway {
  /** Whether a path is the gateway's: everything below `/{org}/{server}`. */
  matches(path: string): boolean;
  /** Serves one request; never throws. */
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Serves a request that another gateway process hands over: for a listener that only those reach. */
  take(req: IncomingMessage, res: ServerResponse): void;
  /** The gateway process `holder` tells that a session's standing stream is there since `at`; see `Peers.stands`. */
  stands(holder: string, session: string, at: number): void;
  /** The sessions whose standing stream is here, and since when: for a process that came later. */
  standing(): (readonly [string, number])[];
  /** What is there now, for tests that count: exchanges, open event streams, streams held for clients that may come back, HTTP+SSE clients, those who listen, upstream streams that they share, and subscriptions that wait for upstreams. */
  readonly sizes: {
    readonly exchanges: number;
    readonly open: number;
    readonly held: number;
    readonly lines: number;
    readonly listeners: number;
    readonly shared: number;
    readonly waiting: number;
  };
  /** Lets what is under way finish for `drainMs`, then ends it. */
  close(): Promise<void>;
}

/** A gateway without others. */
const alone = (): Peers => ({
  self: randomText(16),
  address: () => undefined,
  others: () => [],
  stands: () => 0,
});

/** A gateway that learns nothing. */
const unlearning: Upstreams = { doubt: () => {}, refused: () => {} };

/** How exact the deadlines of requests are. */
const TICK_MS = 50;

/** Milliseconds that ended requests get at most to leave their records. */
const RECORDS_MS = 1_000;

/** The data plane: see the steps in `receive` and `converse`, one file each. */
export function createGateway(options: GatewayOptions): Gateway {
  const { snapshot, records } = options;
  const clock = options.clock ?? systemClock;
  const limits = { ...defaultLimits, ...options.limits };
  const reserved = options.reserved ?? new Set(["api", "o", "assets"]);
  const pools = options.pools ?? createPools();
  const upstreams = options.upstreams ?? unlearning;
  const leases = new Leases(options.instances, pools, clock, limits.idleMs, upstreams);
  const book = new SessionBook(options.sessions, snapshot, () => clock.now());
  const virtualSessions = new VirtualSessions(options.sessions, snapshot, () => clock.now());
  const peers = options.peers ?? alone();
  const streams = new Streams(peers.self, clock, limits);
  const { credentials, sessions, tokens } = options;
  const tasks = new Tasks({ snapshot, tokens, credentials, sessions, leases, clock, limits });
  const heldSessions = new HeldSessions({ leases, credentials, clock });
  const upstreamSessions = new UpstreamSessions({ leases, credentials, book });
  const tallies = new Tallies(limits);
  const hub = new Hub({
    snapshot,
    tokens,
    tallies,
    book,
    clock,
    credentials,
    leases,
    limits,
    peers,
    pools,
    streams,
    tasks,
    upstreamSessions,
  });
  const live = new Live<Exchange>();
  const services: Services = {
    snapshot,
    tokens,
    credentials,
    sessions,
    leases,
    heldSessions,
    upstreamSessions,
    book,
    virtualSessions,
    upstreams,
    peers,
    pools,
    hub,
    streams,
    tallies,
    tasks,
    withdrawals: new Withdrawals(live),
    clock,
    limits,
  };
  const conversation = new Conversation(services);
  const authenticate = createAuthenticator(tokens);
  const browsers = new Browsers({
    publicUrl: options.publicUrl,
    allowedOrigins: options.allowedOrigins ?? [],
  });
  let onEmpty: (() => void) | undefined;
  let closing = false;

  const ticks = setInterval(() => {
    for (const x of live.all()) x.tick();
    streams.tick();
    hub.tick();
  }, TICK_MS);
  ticks.unref();

  const settled = (x: Exchange): void => {
    live.remove(x);
    tallies.leave(x);
    if (live.size === 0) onEmpty?.();
  };

  /** Resolves when nothing is under way, or after `ms`. */
  async function emptied(ms: number): Promise<void> {
    if (live.size === 0) return;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      onEmpty = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  function begin(req: Incoming, res: Outgoing): Exchange {
    const x = new Exchange(req, res, clock, records, settled);
    x.keepAliveMs = limits.keepAliveMs;
    live.add(x);
    return x;
  }

  const within = createWithin({ begin, converse, conversation, tallies });
  const lines = new HttpSse(services, within);

  /** What the head of a request decides. Throws refusals. */
  function receive(x: Exchange): void {
    const { req } = x;
    browsers.admit(req, x.res);
    if (closing) throw stopping();
    if (req.method === "OPTIONS") return x.answerEmpty(204, preflightHeaders(req));
    const place = resolve(snapshot, req.url ?? "/");
    const principal = authenticate(x);
    // What another process hands over is counted there, where its connection is.
    if (!x.handedOver) tallies.enter(x, principal);
    const endpoint = admit(x, place, principal);
    const face = faceOf(req.url ?? "/");
    if (face === "sse" || face === "messages") {
      lines.serve(face, { x, endpoint, principal });
    } else if (req.method === "DELETE") {
      conversation.end({ x, endpoint, principal }).catch((error: unknown) => refuse(x, error));
    } else if (req.method === "POST") {
      readBody(x, limits, {
        whole: () => attempt(x, () => converse(x, endpoint, principal)),
        refused: (refusal) => x.refuse(refusal),
      });
    } else if (req.method === "GET") {
      conversation.hear({ x, endpoint, principal });
    } else {
      throw new Refusal("protocol", 405, "Post JSON-RPC messages here; GET listens, DELETE ends a session.", {
        headers: { allow: "POST, GET, DELETE" },
      });
    }
  }

  /** What its body decides, and its way upstream. Throws refusals. */
  function converse(x: Exchange, endpoint: Endpoint, principal: Principal): void {
    const turn = { x, endpoint, principal };
    if (isBatch(x.body)) return batch(turn, services, within);
    const envelope = readEnvelope(x, limits.jsonDepth);
    const session = conversation.join(turn, envelope);
    const needs = needsOf(envelope);
    if (needs !== undefined) authorize(x, endpoint, principal, needs);
    conversation.carry(turn, envelope, session);
  }

  return {
    matches: (path) => isGatewayPath(path, reserved),
    get sizes() {
      const { open, held } = streams.sizes;
      return { exchanges: live.size, open, held, lines: lines.size, ...hub.sizes };
    },
    handle(req, res) {
      const x = begin(req, res);
      attempt(x, () => receive(x));
    },
    take(req, res) {
      const x = begin(req, res);
      const { [clientHeader]: client } = req.headers;
      x.handedOver = true;
      x.record.ip = typeof client === "string" ? client : null;
      attempt(x, () => receive(x));
    },
    stands: (holder, session, at) => hub.stands(holder, session, at),
    standing: () => hub.standing(),
    async close() {
      closing = true;
      const told = conversation.close();
      hub.close();
      streams.drain();
      await emptied(limits.drainMs);
      clearInterval(ticks);
      streams.close();
      // What was ended just now is still on its way.
      for (const x of live.all()) if (!x.res.writableEnded) x.res.destroy();
      await told;
      await heldSessions.close();
      await leases.close();
      await pools.close();
      // Sockets tell of their end a moment later, and only then are the records written.
      await emptied(RECORDS_MS);
    },
  };
}

function stopping(): Refusal {
  return new Refusal(
    "runtime",
    503,
    "Offing is stopping, and takes no new requests. Send it again in a moment.",
    {
      headers: { "retry-after": "2", connection: "close" },
    },
  );
}
