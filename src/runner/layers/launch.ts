import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Duplex, Readable, Writable } from "node:stream";
import { pythonFolder, type Interpreter } from "../interpreter.ts";
import { INFO_FD, bwrapPlan } from "./bwrap.ts";
import type { Cell } from "./cell.ts";
import { makeCgroup, type Cgroup, type Cgroups } from "./cgroup.ts";
import { attachEgress, type Egress, type EgressOptions } from "./egress.ts";
import { landlockPlan, plainPlan } from "./plain.ts";
import { watchMemory } from "./watchdog.ts";

/** What this machine isolates with, after the probe. */
export interface Machine {
  readonly layer: "bwrap" | "landlock" | "none";
  readonly bwrap: string | null;
  readonly python: Interpreter;
  readonly root: boolean;
  readonly cgroups: Cgroups | null;
  /** Null: no instance has a network. */
  readonly egress: EgressOptions | null;
  /** Base64 of our seccomp program; null where the architecture has none. */
  readonly seccomp: string | null;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The memory limit was reached. */
  readonly memory: boolean;
  /** The layer tells the signal of what ran in it as the code 128 and its number, as a shell does. */
  readonly relayed: boolean;
}

/** A process tree in its cell. */
export interface Cellmate {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly control: Duplex;
  /** Resolves when the last process is gone and what held it is removed. */
  readonly ended: Promise<Exit>;
  /** Ends every process in it at once. */
  kill(): void;
}

/** `confine.py` says here that the layer stands and that it waits for its orders. */
const STANDING_FD = 5;

function frame(value: object): Buffer {
  const body = Buffer.from(JSON.stringify(value));
  return Buffer.concat([Buffer.from(body.length.toString(16).padStart(8, "0")), body]);
}

async function firstJson(stream: Readable): Promise<Record<string, unknown>> {
  let text = "";
  for await (const chunk of stream) {
    text += String(chunk);
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      continue;
    }
  }
  throw new Error("the sandbox ended before it was set up");
}

async function firstByte(stream: Readable): Promise<void> {
  for await (const _ of stream) return;
  throw new Error("the sandbox ended before it was set up");
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

/**
 * Starts a cell: `launch.py` outside (control groups, socket), then the layer,
 * then `confine.py` inside (uid, rights, calls), then `cell.argv`, whose
 * standard input is what is written to `stdin`. Resolves when the layer stands
 * and its network is filtered; nothing of the cell has run before. Rejects when
 * the layer cannot be made.
 */
export async function launch(machine: Machine, cell: Cell, name: string): Promise<Cellmate> {
  const dataLimit = machine.cgroups === null;
  const plan =
    machine.layer === "bwrap"
      ? await bwrapPlan(cell, {
          bwrap: machine.bwrap!,
          python: machine.python,
          root: machine.root,
          seccomp: machine.seccomp!,
          dataLimit,
        })
      : machine.layer === "landlock"
        ? landlockPlan(cell, { python: machine.python, seccomp: machine.seccomp!, dataLimit })
        : plainPlan(cell, { python: machine.python, dataLimit });
  const cgroup: Cgroup | null =
    machine.cgroups === null ? null : makeCgroup(machine.cgroups, name, cell.limits);
  const child = spawn(machine.python.executable, ["-I", "-S", join(pythonFolder, "launch.py")], {
    cwd: "/",
    env: {},
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe", "pipe", "pipe"],
  });
  const [stdin, stdout, stderr] = [child.stdin!, child.stdout!, child.stderr!];
  const channels: readonly unknown[] = child.stdio;
  const control = channels[3] as Duplex;
  const info = channels[INFO_FD] as Duplex;
  const standing = channels[STANDING_FD] as Duplex;
  // A tree that ends while it is written to is told by its exit, not by EPIPE.
  for (const stream of [stdin, control, info, standing]) stream.on("error", () => {});
  let egress: Egress | null = null;
  let watched: { stop(): void; exceeded(): boolean } | null = null;
  const ended = new Promise<Exit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      watched?.stop();
      egress?.stop();
      const memory = (cgroup?.memoryKills() ?? 0) > 0 || watched?.exceeded() === true;
      // What the program left behind goes with it; only then do its pipes close.
      killGroup(child);
      const removed = cgroup === null ? Promise.resolve() : cgroup.remove();
      const closed = new Promise<void>((done) => child.once("close", () => done()));
      Promise.all([removed, closed]).then(
        () => resolve({ code, signal, memory, relayed: machine.layer === "bwrap" }),
        reject,
      );
    });
  });
  ended.catch(() => {});
  const kill = (): void => {
    killGroup(child);
    if (cgroup !== null) void cgroup.remove();
  };
  try {
    stdin.write(
      frame({ parent: process.pid, cgroups: cgroup?.procs ?? [], listen: cell.listen, argv: plan.argv }),
    );
    let inner = child.pid!;
    if (machine.layer === "bwrap") inner = Number((await firstJson(info))["child-pid"]);
    // Not before bwrap has set up its loopback: two at once in one network namespace make it fail.
    await firstByte(standing);
    if (cell.network === "filtered") egress = await attachEgress(machine, machine.egress!, inner);
    stdin.write(frame(plan.confinement));
    info.destroy();
    standing.destroy();
    if (cgroup === null) watched = watchMemory(inner, cell.limits.memoryMb, kill);
    return { pid: inner, stdin, stdout, stderr, control, ended, kill };
  } catch (error) {
    let said = "";
    stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    kill();
    await ended.catch(() => {});
    throw new Error(`the sandbox could not be made: ${said.trim() || String(error)}`, { cause: error });
  }
}
