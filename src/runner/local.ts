import { systemClock, type Clock } from "../lib/clock.ts";
import { startInstance } from "./instance.ts";
import { probeMachine } from "./layers/probe.ts";
import { openRunFolder } from "./run-folder.ts";
import {
  StartError,
  type Artifacts,
  type Isolation,
  type Lines,
  type Runner,
  type Target,
} from "./runner.ts";
import { createSandbox, type Sandbox } from "./commands.ts";
import { createSupervisor } from "./supervisor.ts";
import type { Valkeys } from "./valkey.ts";

export interface LocalRunnerOptions {
  readonly artifacts: Artifacts;
  readonly lines: Lines;
  /** A Python 3.10+ of this machine, for our own helpers. */
  readonly python: string;
  /** Absolute path of bubblewrap; null where there is none. */
  readonly bwrap: string | null;
  /** Where sockets lie; ignored where it is too long for a socket's path. */
  readonly runDir?: string;
  readonly clock?: Clock;
  readonly memoryMb?: number;
  readonly startTimeoutMs?: number;
  /** After the last lease of an instance was released. */
  readonly idleStopMs?: number;
  readonly maxInstances?: number;
  /** Processes of one instance that serves a program behind a bridge, one per session, at most. */
  readonly bridgeProcesses?: number;
  /** How long such a process may be silent after a call was cancelled and it was pinged, before it is ended. */
  readonly bridgeSilentMs?: number;
  /** Sessions that one instance keeps at most; the longest unused goes first, and is opened anew when it comes back. */
  readonly sessions?: number;
  /** Only this layer; `none` has to be asked for by name. Default: the best that holds, never `none`. */
  readonly isolation?: Isolation["layer"];
  /** IPv4 addresses that instances reach although they lie in a private or reserved range. */
  readonly egressAllow?: readonly string[];
  /** Where servers keep what outlives their instances; without: nowhere. */
  readonly valkeys?: Valkeys;
}

export interface LocalRunner extends Runner {
  /** Ends the target's instance at once, rather than when it is idle, and forgets its failures. */
  retire(target: Target): Promise<void>;
  /** Runs single commands, for builds, with the same isolation. */
  readonly sandbox: Sandbox;
}

/**
 * Probes the machine and opens a runner of sandboxed children. Throws when the
 * machine can isolate with no layer, and `isolation: "none"` was not asked for.
 */
export async function createLocalRunner(options: LocalRunnerOptions): Promise<LocalRunner> {
  const clock = options.clock ?? systemClock;
  const folder = await openRunFolder(options.runDir);
  try {
    const { machine, isolation } = await probeMachine(folder, {
      python: options.python,
      bwrap: options.bwrap,
      wanted: options.isolation ?? null,
      egressAllow: options.egressAllow ?? [],
    });
    const limits = {
      memoryMb: options.memoryMb ?? 1024,
      processes: 256,
      cpus: null,
      fileBytes: null,
      tmpBytes: 256 * 1024 * 1024,
    };
    const supervisor = createSupervisor({
      clock,
      idleStopMs: options.idleStopMs ?? 300_000,
      maxInstances: options.maxInstances ?? 64,
      start: async (target) => {
        const located = await options.artifacts.locate(target).catch((error: unknown) => {
          if (error instanceof StartError) throw error;
          throw new StartError(
            "exited",
            `The artifact ${target.artifact} is not on this machine: ${String(error)}`,
          );
        });
        return startInstance(target, located, {
          machine,
          folder,
          lines: options.lines,
          clock,
          limits,
          startTimeoutMs: options.startTimeoutMs ?? 30_000,
          bridgeProcesses: options.bridgeProcesses ?? 16,
          bridgeSilentMs: options.bridgeSilentMs ?? 60_000,
          sessions: options.sessions ?? 1000,
          valkeys: options.valkeys ?? null,
        });
      },
    });
    return {
      isolation,
      sandbox: createSandbox(machine, folder),
      acquire: (target) => supervisor.acquire(target),
      retire: (target) => supervisor.retire(target),
      close: async () => {
        await supervisor.close();
        await folder.close();
      },
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}
