import { type Dispatcher, Pool } from "undici";

/** Where requests to one upstream go. */
export interface Dial {
  readonly address: string;
  /** Sends one request; see undici's Dispatcher. The path and origin are the address's own. */
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly path: string;
}

/** Connections to upstreams, kept alive between requests, one pool per address. */
export interface Pools {
  /** `unix:<path>`, or an http(s) URL that a guarded dispatcher has been given for. Throws on anything else. */
  at(address: string): Dial;
  /** Destroys the connections to an address; what is under way fails with `reason`. */
  drop(address: string, reason: Error): void;
  close(): Promise<void>;
}

export interface PoolOptions {
  /** Connections to one upstream at most. */
  readonly connections?: number;
  /** The path at which an instance serves MCP. */
  readonly instancePath?: string;
  readonly connectTimeoutMs?: number;
  /** For URLs: what dials them. Without it, a URL is refused. */
  readonly guarded?: Dispatcher;
}

/** What an instance sees as `Host`: servers that check it accept a loopback name with a port. */
const INSTANCE_ORIGIN = "http://localhost:8000";

export function createPools(options: PoolOptions = {}): Pools {
  const dials = new Map<string, Dial>();
  const open = (address: string): Dial => {
    if (address.startsWith("unix:")) {
      const dispatcher = new Pool(INSTANCE_ORIGIN, {
        socketPath: address.slice("unix:".length),
        connections: options.connections ?? 1024,
        connectTimeout: options.connectTimeoutMs ?? 5_000,
        // The caller keeps the time: a stream may rest for as long as its window lasts.
        headersTimeout: 0,
        bodyTimeout: 0,
        pipelining: 1,
      });
      return { address, dispatcher, origin: INSTANCE_ORIGIN, path: options.instancePath ?? "/mcp" };
    }
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if ((url?.protocol === "http:" || url?.protocol === "https:") && options.guarded !== undefined) {
      return { address, dispatcher: options.guarded, origin: url.origin, path: url.pathname + url.search };
    }
    throw new Error(`No way to dial "${address}" is configured.`);
  };
  return {
    at(address) {
      let dial = dials.get(address);
      if (dial === undefined) {
        dial = open(address);
        dials.set(address, dial);
      }
      return dial;
    },
    drop(address, reason) {
      const dial = dials.get(address);
      if (dial === undefined) return;
      dials.delete(address);
      if (dial.dispatcher !== options.guarded) dial.dispatcher.destroy(reason).catch(() => {});
    },
    async close() {
      const owned = [...dials.values()].filter((dial) => dial.dispatcher !== options.guarded);
      dials.clear();
      await Promise.all(owned.map((dial) => dial.dispatcher.destroy()));
    },
  };
}
