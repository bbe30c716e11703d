import { backoffDelay } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import type { Instance } from "./instance.ts";
import { StartError, type Lease, type Target } from "./runner.ts";

/** A target that ran this long without a crash starts afresh in its count of failures. */
const STABLE_MS = 60_000;
/** Work of its own keeps an instance that nobody asks for awake so long at most. */
const AWAKE_MS = 24 * 60 * 60 * 1000;
/** Failures are remembered for so long after the next start became possible: ten times the longest wait. */
const REMEMBER_MS = 600_000;

/**
 * What a target is doing. `running` is where wake-ups attach: a frozen instance
 * is one more state between `running` and `idle`, a zygote another `start`.
 */
type State =
  | { readonly kind: "idle" }
  | { readonly kind: "starting"; readonly outcome: Promise<Running> }
  | Running
  | { readonly kind: "stopping"; readonly done: Promise<void> };

interface Running {
  readonly kind: "running";
  readonly instance: Instance;
  readonly since: number;
  readonly leases: Set<AbortController>;
  idle: NodeJS.Timeout | null;
  idleSince: number;
}

interface Slot {
  state: State;
  failures: number;
  /** No start before this monotonic time. */
  notBefore: number;
  lastError: StartError | null;
}

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly idleStopMs: number;
  readonly maxInstances: number;
  start(target: Target): Promise<Instance>;
}

/** One instance per target: started once for all who ask, kept while leased, stopped when idle, held back when it crashes. */
export interface Supervisor {
  acquire(target: Target): Promise<Lease>;
  /** Ends the target's instance at once, rather than when it is idle, and forgets its failures. */
  retire(target: Target): Promise<void>;
  close(): Promise<void>;
  /** Targets that are known: those with an instance, and those with failures to remember. */
  readonly size: number;
}

function keyOf(target: Target): string {
  return JSON.stringify([
    target.organization,
    target.server,
    target.artifact,
    target.scope,
    target.variables,
  ]);
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const slots = new Map<string, Slot>();
  let closed = false;

  /** The target's slot; where it needs a new one, those that have nothing to remember go first. */
  function slotOf(key: string): Slot {
    const known = slots.get(key);
    if (known !== undefined) return known;
    const now = options.clock.monotonic();
    for (const [other, { state, failures, notBefore }] of slots)
      if (state.kind === "idle" && (failures === 0 || now > notBefore + REMEMBER_MS)) slots.delete(other);
    const slot: Slot = { state: { kind: "idle" }, failures: 0, notBefore: 0, lastError: null };
    slots.set(key, slot);
    return slot;
  }

  function failed(slot: Slot, error: StartError): void {
    slot.failures += 1;
    slot.lastError = error;
    slot.notBefore = options.clock.monotonic() + backoffDelay(slot.failures);
    slot.state = { kind: "idle" };
  }

  function lease(slot: Slot, running: Running): Lease {
    const controller = new AbortController();
    running.leases.add(controller);
    if (running.idle !== null) clearTimeout(running.idle);
    running.idle = null;
    let held = true;
    return {
      instance: running.instance.id,
      address: running.instance.address,
      description: running.instance.description,
      eras: running.instance.eras,
      warnings: running.instance.warnings,
      lost: controller.signal,
      release: () => {
        if (!held) return;
        held = false;
        running.leases.delete(controller);
        rest(slot, running);
      },
    };
  }

  /** Starts the idle clock of an instance that nobody holds. */
  function rest(slot: Slot, running: Running): void {
    if (running.leases.size > 0 || running.idle !== null || slot.state !== running) return;
    running.idleSince = options.clock.monotonic();
    restFor(slot, running);
  }

  function restFor(slot: Slot, running: Running): void {
    const idle = setTimeout(() => void rested(slot, running, idle), options.idleStopMs);
    running.idle = idle;
    idle.unref();
  }

  /** Stops what nobody asked for, unless it works by itself: then it rests once more. */
  async function rested(slot: Slot, running: Running, idle: NodeJS.Timeout): Promise<void> {
    const works =
      options.clock.monotonic() - running.idleSince < AWAKE_MS &&
      (await running.instance.unfinished().catch(() => false));
    if (slot.state !== running || running.idle !== idle) return;
    if (works) restFor(slot, running);
    else await stop(slot, running, "it was idle");
  }

  function stop(slot: Slot, running: Running, reason: string): Promise<void> {
    if (running.idle !== null) clearTimeout(running.idle);
    const done = running.instance.stop().finally(() => {
      if (slot.state.kind === "stopping") slot.state = { kind: "idle" };
    });
    slot.state = { kind: "stopping", done };
    for (const controller of running.leases) controller.abort(new Error(`the instance is gone: ${reason}`));
    running.leases.clear();
    return done;
  }

  function crashed(slot: Slot, running: Running, reason: string, memory: boolean): void {
    if (slot.state !== running) return;
    if (running.idle !== null) clearTimeout(running.idle);
    if (options.clock.monotonic() - running.since > STABLE_MS) slot.failures = 0;
    failed(slot, new StartError(memory ? "memory" : "exited", `The instance is gone: ${reason}.`));
    for (const controller of running.leases) controller.abort(slot.lastError);
    running.leases.clear();
  }

  /** Makes room by stopping the instance that has been idle longest. */
  async function room(): Promise<void> {
    const busy = [...slots.values()].filter((slot) => slot.state.kind !== "idle");
    if (busy.length < options.maxInstances) return;
    let oldest: { slot: Slot; running: Running } | null = null;
    for (const slot of busy) {
      const { state } = slot;
      if (state.kind !== "running" || state.leases.size > 0) continue;
      if (oldest === null || state.idleSince < oldest.running.idleSince) oldest = { slot, running: state };
    }
    if (oldest === null) {
      throw new StartError("capacity", `All ${options.maxInstances} instances of this runner are in use.`, {
        hint: "Try again when one is idle, or raise the number of instances.",
      });
    }
    await stop(oldest.slot, oldest.running, "its place was needed");
  }

  async function start(slot: Slot, target: Target): Promise<Running> {
    try {
      await room();
      const instance = await options.start(target);
      const running: Running = {
        kind: "running",
        instance,
        since: options.clock.monotonic(),
        leases: new Set(),
        idle: null,
        idleSince: options.clock.monotonic(),
      };
      slot.state = running;
      instance.ended.then(
        ({ reason, memory }) => crashed(slot, running, reason, memory),
        (error: unknown) => crashed(slot, running, String(error), false),
      );
      return running;
    } catch (error) {
      const known =
        error instanceof StartError
          ? error
          : new StartError("isolation", `The instance could not be started: ${String(error)}`);
      if (known.reason === "capacity") slot.state = { kind: "idle" };
      else failed(slot, known);
      throw known;
    }
  }

  function refuseWhileBackingOff(slot: Slot): void {
    const wait = slot.notBefore - options.clock.monotonic();
    if (wait <= 0 || slot.lastError === null) return;
    const { reason, message, ...detail } = slot.lastError;
    const times = slot.failures === 1 ? "once" : `${slot.failures} times in a row`;
    throw new StartError(
      reason,
      `${message} It failed ${times}; the next start is possible in ${Math.ceil(wait / 1000)} s.`,
      detail,
    );
  }

  return {
    async acquire(target) {
      const key = keyOf(target);
      for (;;) {
        if (closed) throw new StartError("exited", "The runner is closing.");
        // Anew after each wait: the slot may have been dropped since.
        const slot = slotOf(key);
        const { state } = slot;
        switch (state.kind) {
          case "running":
            return lease(slot, state);
          case "stopping":
            await state.done;
            break;
          case "starting": {
            const running = await state.outcome;
            if (slot.state === running) return lease(slot, running);
            break;
          }
          case "idle": {
            refuseWhileBackingOff(slot);
            const outcome = start(slot, target);
            // Unless it has failed already, which is then the state.
            if (slot.state === state) slot.state = { kind: "starting", outcome };
            const running = await outcome;
            if (slot.state === running) return lease(slot, running);
            break;
          }
        }
      }
    },
    async retire(target) {
      const slot = slots.get(keyOf(target));
      if (slot === undefined) return;
      if (slot.state.kind === "starting") await slot.state.outcome.catch(() => {});
      if (slot.state.kind === "running") await stop(slot, slot.state, "it was retired");
      else if (slot.state.kind === "stopping") await slot.state.done;
      if (slot.state.kind === "idle") slots.delete(keyOf(target));
    },
    get size() {
      return slots.size;
    },
    async close() {
      closed = true;
      await Promise.all(
        [...slots.values()].map(async (slot) => {
          if (slot.state.kind === "starting") await slot.state.outcome.catch(() => {});
          if (slot.state.kind === "running") await stop(slot, slot.state, "the runner is closing");
          else if (slot.state.kind === "stopping") await slot.state.done;
        }),
      );
    },
  };
}
