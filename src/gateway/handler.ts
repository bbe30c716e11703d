import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { Principal } from "../policy/decide.ts";
import type { Endpoint, Snapshot } from "../snapshot/snapshot.ts";
import { createPools, type Pools } from "../upstream/pool.ts";
import { createAuthenticator } from "./authenticate.ts";
import { admit, authorize } from "./authorize.ts";
import { readBody } from "./body.ts";
import { Conversation } from "./conversation.ts";
import { readEnvelope } from "./envelope.ts";
import { Exchange } from "./exchange.ts";
import { Leases } from "./leases.ts";
import { Live } from "./live.ts";
import { defaultLimits, type GatewayLimits } from "./limits.ts";
import type { Credentials, Instances, Peers, Records, Sessions, Tokens } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import { isGatewayPath, originCheck, resolve } from "./resolve.ts";
import { SessionBook } from "./session.ts";

export interface GatewayOptions {
  readonly snapshot: Snapshot;
  readonly tokens: Tokens;
  readonly credentials: Credentials;
  readonly instances: Instances;
  readonly sessions: Sessions;
  readonly records: Records;
  /** The other gateway processes; without, this is the only one. */
  readonly peers?: Peers;
  /** Where clients reach us, such as `http://localhost:8080`. */
  readonly publicUrl: string;
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
  /** Lets what is under way finish for `drainMs`, then ends it. */
  close(): Promise<void>;
}

/** A gateway without others. */
const alone: Peers = { self: "only", address: () => undefined };

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
  const leases = new Leases(options.instances, pools, clock, limits.idleMs);
  const book = new SessionBook(options.sessions, snapshot, () => clock.now());
  const peers = options.peers ?? alone;
  const conversation = new Conversation({
    credentials: options.credentials,
    sessions: options.sessions,
    leases,
    book,
    peers,
    clock,
    limits,
  });
  const authenticate = createAuthenticator(options.tokens);
  const checkOrigin = originCheck(options.publicUrl);
  const live = new Live<Exchange>();
  let onEmpty: (() => void) | undefined;

  const ticks = setInterval(() => {
    for (const x of live.all()) x.tick();
  }, TICK_MS);
  ticks.unref();

  const settled = (x: Exchange): void => {
    live.remove(x);
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

  /** What the head of a request decides. Throws refusals. */
  function receive(x: Exchange): void {
    const { req } = x;
    checkOrigin(req);
    const place = resolve(snapshot, req.url ?? "/");
    const principal = authenticate(x);
    const endpoint = admit(x, place, principal);
    if (req.method === "DELETE") {
      conversation.end({ x, endpoint, principal }).catch((error: unknown) => refuse(x, error));
    } else if (req.method === "POST") {
      readBody(x, limits, {
        whole: () => attempt(x, () => converse(x, endpoint, principal)),
        refused: (refusal) => x.refuse(refusal),
      });
    } else {
      throw new Refusal("protocol", 405, "Post JSON-RPC messages here; DELETE ends a session.", {
        headers: { allow: "POST, DELETE" },
      });
    }
  }

  /** What its body decides, and its way upstream. Throws refusals. */
  function converse(x: Exchange, endpoint: Endpoint, principal: Principal): void {
    const envelope = readEnvelope(x, limits.jsonDepth);
    const turn = { x, endpoint, principal };
    const session = conversation.join(turn, envelope);
    if ("request" in envelope) authorize(x, endpoint, principal, envelope.request.known);
    conversation.carry(turn, envelope, session);
  }

  return {
    matches: (path) => isGatewayPath(path, reserved),
    handle(req, res) {
      const x = new Exchange(req, res, clock, records, settled);
      live.add(x);
      attempt(x, () => receive(x));
    },
    async close() {
      await emptied(limits.drainMs);
      clearInterval(ticks);
      for (const x of live.all()) x.res.destroy();
      await leases.close();
      await pools.close();
      // Sockets tell of their end a moment later, and only then are the records written.
      await emptied(RECORDS_MS);
    },
  };
}

function attempt(x: Exchange, step: () => void): void {
  try {
    step();
  } catch (error) {
    refuse(x, error);
  }
}

function refuse(x: Exchange, error: unknown): void {
  if (error instanceof Refusal) return x.refuse(error);
  const because = error instanceof Error ? error.message : String(error);
  const message = "The gateway failed on this request; the fault is Offing's.";
  x.refuse(new Refusal("protocol", 500, message, { because }));
}
