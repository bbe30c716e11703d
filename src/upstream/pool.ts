import { type Dispatcher, Pool } from "undici";
import type { Dial } from "./dial.ts";
import { randomText } from "../lib/ids.ts";
import { overSse, type SseLimits } from "./http-sse/dispatcher.ts";

/** Connections to upstreams, kept alive between requests, one pool per address. */
export interface Pools {
  /** An instance, at `unix:<path>`. Throws on anything else. */
  at(address: string): Dial;
  /** A server at an http(s) URL that people of `organization` gave, through their guarded dispatcher. */
  external(organization: string, url: string, transport?: "sse"): Dial;
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
  /** What dials the URLs of an organization; without it, none is dialled. Its owner closes what it gives. */
  readonly guarded?: (organization: string) => Dispatcher;
  /** The name of this gateway process: sessions whose streams it holds carry it. */
  readonly self?: string;
  /** Bounds of what is spoken to over HTTP+SSE. */
  readonly sse?: Partial<SseLimits>;
}

/** What an instance sees as `Host`: servers that check it accept a loopback name with a port. */
const INSTANCE_ORIGIN = "http://localhost:8000";

export function createPools(options: PoolOptions = {}): Pools {
  const dials = new Map<string, Dial>();
  const self = options.self ?? randomText(16);
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
    external(organization, address, transport) {
      const url = URL.canParse(address) ? new URL(address) : undefined;
      if ((url?.protocol !== "http:" && url?.protocol !== "https:") || options.guarded === undefined) {
        throw new Error(`No way to dial "${address}" is configured.`);
      }
      const dispatcher = options.guarded(organization);
      const dial = { address, dispatcher, origin: url.origin, path: url.pathname + url.search };
      if (transport === undefined) return dial;
      const key = `${transport} ${organization} ${address}`;
      const held = dials.get(key);
      if (held !== undefined) return held;
      const opened = overSse(dial, self, options.sse, () => {
        if (dials.get(key) === opened) dials.delete(key);
      });
      dials.set(key, opened);
      return opened;
    },
    drop(address, reason) {
      const dial = dials.get(address);
      if (dial === undefined) return;
      dials.delete(address);
      dial.dispatcher.destroy(reason).catch(() => {});
    },
    async close() {
      const owned = [...dials.values()];
      dials.clear();
      await Promise.all(owned.map((dial) => dial.dispatcher.destroy()));
    },
  };
}
