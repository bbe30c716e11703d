import type { Clock } from "../../lib/clock.ts";
import type { Target, Upstream } from "../../snapshot/snapshot.ts";
import type { Dial } from "../../upstream/dial.ts";
import type { Pools } from "../../upstream/pool.ts";
import type { Instances, Lease, Upstreams } from "../ports.ts";

/** An upstream that can be dialled now: a warm instance that is held over many requests, or an external server. */
export interface Held {
  /** Null for an external server. */
  readonly instance: string | null;
  readonly lease: Lease | null;
  readonly dial: Dial;
  /** Requests under way. */
  uses: number;
  /** Monotonic milliseconds of the last use. */
  usedAt: number;
  lost: boolean;
}

const TELL_MS = 5_000;

/**
 * The gateway's own claims on instances: one per target, asked for once, kept
 * while used, released after an idle time, dropped when the instance is gone.
 */
export class Leases {
  readonly #upstreams: Pick<Upstreams, "doubt">;
  readonly #instances: Instances;
  readonly #pools: Pools;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #held = new Map<string, Held>();
  readonly #waking = new Map<string, Promise<Held>>();
  readonly #watchers = new Map<string, Set<(held: Held) => void>>();
  readonly #sweeper: NodeJS.Timeout;
  #closed = false;

  constructor(
    instances: Instances,
    pools: Pools,
    clock: Clock,
    idleMs: number,
    upstreams: Pick<Upstreams, "doubt"> = { doubt: () => {} },
  ) {
    this.#upstreams = upstreams;
    this.#instances = instances;
    this.#pools = pools;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(10, Math.min(idleMs / 4, 5_000)));
    this.#sweeper.unref();
  }

  /** The held instance at once, or a promise of one; all who wait for the same target share it. */
  take(upstream: Upstream): Held | Promise<Held> {
    const key = upstreamKey(upstream);
    const known = this.#held.get(key) ?? this.#waking.get(key);
    if (known !== undefined) return known;
    return upstream.kind === "hosted" ? this.#wake(key, upstream.target) : this.#dial(key, upstream);
  }

  /** What is held now, without waking anything. */
  warm(upstream: Upstream): Held | undefined {
    return this.#held.get(upstreamKey(upstream));
  }

  /** Tells `listener` whenever an instance of this upstream begins to be held, until the answered function is called. */
  onHeld(upstream: Upstream, listener: (held: Held) => void): () => void {
    const key = upstreamKey(upstream);
    let watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, (watchers = new Set()));
    watchers.add(listener);
    return () => {
      watchers.delete(listener);
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
    };
  }

  begin(held: Held): void {
    held.uses++;
  }

  end(held: Held): void {
    held.uses--;
    held.usedAt = this.#clock.monotonic();
  }

  /** Sends a request without a body to an external server, or an instance that is held now; what it answers, or whether, is no matter. */
  async tell(upstream: Upstream, method: "DELETE", headers: string[]): Promise<void> {
    const held = upstream.kind === "external" ? await this.take(upstream) : this.warm(upstream);
    if (held === undefined) return;
    const { dispatcher, origin, path } = held.dial;
    this.begin(held);
    try {
      const signal = AbortSignal.timeout(TELL_MS);
      const { body } = await dispatcher.request({ origin, path, method, headers, signal });
      await body.dump();
    } catch {
      // The instance ends what rests in it by itself.
    } finally {
      this.end(held);
    }
  }

  /** An external server answered as none that speaks the eras it was found to speak. */
  doubt(upstream: Upstream & { kind: "external" }): void {
    this.#upstreams.doubt(upstream);
  }

  /** Gives up an instance that cannot be reached. */
  drop(upstream: Upstream, held: Held, reason: Error): void {
    const key = upstreamKey(upstream);
    if (this.#held.get(key) === held) this.#held.delete(key);
    this.#discard(held, reason);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    const over = new Error("The gateway is closing.");
    for (const held of this.#held.values()) this.#discard(held, over);
    this.#held.clear();
    await Promise.allSettled(this.#waking.values());
  }

  #wake(key: string, target: Target): Promise<Held> {
    const waking = this.#instances.acquire(target).then(
      (lease) => {
        this.#waking.delete(key);
        return this.#hold(key, lease);
      },
      (error: unknown) => {
        this.#waking.delete(key);
        throw error;
      },
    );
    this.#waking.set(key, waking);
    return waking;
  }

  #dial(key: string, upstream: Upstream & { kind: "external" }): Held {
    const dial = this.#pools.external(upstream.organization, upstream.url, upstream.transport);
    const held = { instance: null, lease: null, dial, uses: 0, usedAt: this.#clock.monotonic(), lost: false };
    this.#held.set(key, held);
    return held;
  }

  #hold(key: string, lease: Lease): Held {
    let dial: Dial;
    try {
      dial = this.#pools.at(lease.address);
    } catch (error) {
      lease.release();
      throw error;
    }
    const held: Held = {
      instance: lease.instance,
      lease,
      dial,
      uses: 0,
      usedAt: this.#clock.monotonic(),
      lost: false,
    };
    if (lease.lost.aborted || this.#closed) {
      this.#discard(held, new Error("The instance is gone."));
      return held;
    }
    this.#held.set(key, held);
    lease.lost.addEventListener(
      "abort",
      () => {
        if (this.#held.get(key) === held) this.#held.delete(key);
        this.#discard(held, new Error("The instance is gone."));
      },
      { once: true },
    );
    for (const watcher of this.#watchers.get(key) ?? []) watcher(held);
    return held;
  }

  #discard(held: Held, reason: Error): void {
    if (held.lost) return;
    held.lost = true;
    if (held.lease === null) return;
    this.#pools.drop(held.lease.address, reason);
    held.lease.release();
  }

  #sweep(): void {
    const oldest = this.#clock.monotonic() - this.#idleMs;
    for (const [key, held] of this.#held) {
      if (held.uses > 0 || held.usedAt > oldest) continue;
      this.#held.delete(key);
      this.#discard(held, new Error("The instance was idle."));
    }
  }
}

const keys = new WeakMap<Upstream, string>();

/** The same text for upstreams that are one. */
export function upstreamKey(upstream: Upstream): string {
  let key = keys.get(upstream);
  if (key === undefined) {
    key = upstream.kind === "external" ? externalKey(upstream) : hostedKey(upstream.target);
    keys.set(upstream, key);
  }
  return key;
}

function externalKey({ organization, server, url, transport }: Upstream & { kind: "external" }): string {
  return JSON.stringify([organization, server, url, transport]);
}

function hostedKey({ organization, server, artifact, scope, variables }: Target): string {
  return JSON.stringify([organization, server, artifact, scope, variables]);
}
