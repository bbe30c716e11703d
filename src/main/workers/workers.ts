import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { backoffDelay } from "../../lib/backoff.ts";
import { randomText } from "../../lib/ids.ts";
import type { Log } from "../../lib/log.ts";
import type { Elsewhere } from "../services.ts";
import type { FromWorker, Order, ToWorker } from "./messages.ts";

/** The gateway processes of a program. */
export interface Workers {
  readonly applied: Elsewhere;
  /** Lets each finish what is under way, and ends them. */
  close(): Promise<void>;
}

export interface WorkersOptions {
  readonly count: number;
  /** What every worker is told; the rest is its own. */
  readonly order: Omit<Order, "name" | "file" | "peers">;
  readonly log: Log;
  /** Milliseconds without a word after which a worker is taken for stuck; it is asked six times in them. */
  readonly silenceMs: number;
}

interface Worker {
  readonly name: string;
  readonly file: string;
  readonly child: ChildProcess;
  /** It follows the change log and may serve. */
  standing: boolean;
  /** How often it was asked since it said anything. */
  unheard: number;
  /** What it was asked for and has not answered. */
  readonly asked: Map<number, () => void>;
}

const program = join(import.meta.dirname, "worker.ts");
/** One that served this long did not fail at the start. */
const STABLE_MS = 30_000;
const APPLY_WITHIN_MS = 10_000;
/** A worker drains for its own time; then it is ended. */
const CLOSE_WITHIN_MS = 8_000;
/** Beats are counted, and not the time: a program that stood still itself has not waited for anybody. */
const BEATS = 6;

/**
 * Starts `count` gateway processes and keeps that many: one that dies is
 * replaced, after a wait where it dies again and again, and one that is stuck is
 * ended. Resolves when all serve; throws, with none left, when one cannot.
 */
export async function startWorkers({ count, order, log, silenceMs }: WorkersOptions): Promise<Workers> {
  const workers = new Set<Worker>();
  let made = 0;
  let asks = 0;
  let closing = false;
  const waits = new Set<NodeJS.Timeout>();

  function tellOthers(worker: Worker, file: string | null): void {
    for (const other of workers) if (other !== worker) say(other, { type: "peer", name: worker.name, file });
  }

  /** Resolves when it serves; rejects when it ends before. `failures`: starts and early deaths in a row before it. */
  function start(failures: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const child = spawn(process.execPath, [...process.execArgv, program], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const worker: Worker = {
      name: randomText(16),
      file: `w${++made}`,
      child,
      standing: false,
      unheard: 0,
      asked: new Map(),
    };
    const began = performance.now();
    let serves = false;
    let why = "";
    workers.add(worker);
    tellOthers(worker, worker.file);
    child.on("message", (message: FromWorker) => {
      if (worker.unheard <= BEATS) worker.unheard = 0;
      switch (message.type) {
        case "standing":
          worker.standing = true;
          return say(worker, { type: "listen" });
        case "serving":
          serves = true;
          return resolve();
        case "stands":
          for (const other of workers) if (other !== worker) say(other, { ...message, holder: worker.name });
          return;
        case "beat":
          return;
        case "applied":
          return worker.asked.get(message.id)?.();
        case "apply":
          void applied(message.xid, worker).then(() => say(worker, { type: "applied", id: message.id }));
          return;
        case "failed":
          why = message.message;
      }
    });
    child.on("error", (error) => (why ||= error.message));
    child.once("close", (code, signal) => {
      workers.delete(worker);
      for (const answered of worker.asked.values()) answered();
      tellOthers(worker, null);
      const stuck = worker.unheard > BEATS && `it was stuck: it said nothing for ${silenceMs / 1000} seconds`;
      const ended = stuck || why || `it ended with ${signal ?? `exit code ${code}`}`;
      reject(new Error(`a gateway process cannot serve: ${ended}`));
      if (closing) return;
      const served = serves && performance.now() - began > STABLE_MS;
      if (serves || failures > 0) replace(served ? 1 : failures + 1, ended);
    });
    const peers = [...workers].filter((other) => other !== worker);
    say(worker, {
      type: "start",
      order: {
        ...order,
        name: worker.name,
        file: worker.file,
        peers: peers.map(({ name, file }) => [name, file] as const),
      },
    });
    return promise;
  }

  function replace(failures: number, ended: string): void {
    const wait = backoffDelay(failures, { first: 100, longest: 10_000 });
    log.error(
      "a gateway process is gone; starting another. What it held is lost, and its request records of the last second may be",
      { why: ended, waitMs: wait },
    );
    const timer = setTimeout(() => {
      waits.delete(timer);
      // Told again when it ends.
      start(failures).then(
        () => log.info("the gateway process serves again"),
        () => {},
      );
    }, wait);
    waits.add(timer);
  }

  /** `but`: the worker that asks has applied it by itself. */
  async function applied(xid: string | null, but?: Worker): Promise<void> {
    const others = [...workers].filter((worker) => worker.standing && worker !== but);
    await Promise.all(others.map((worker) => ask(worker, xid)));
  }

  async function ask(worker: Worker, xid: string | null): Promise<void> {
    const id = ++asks;
    const { promise, resolve } = Promise.withResolvers<void>();
    worker.asked.set(id, resolve);
    const timer = setTimeout(() => {
      log.warn("a change is stored but not applied in a gateway process yet", { xid });
      resolve();
    }, APPLY_WITHIN_MS);
    say(worker, { type: "apply", id, xid });
    await promise;
    clearTimeout(timer);
    worker.asked.delete(id);
  }

  function beat(): void {
    for (const worker of workers) {
      // One that starts reads its code first.
      if (!worker.standing || worker.unheard > BEATS) continue;
      // Nothing less reaches a process that is stopped.
      if (++worker.unheard > BEATS) worker.child.kill("SIGKILL");
      else say(worker, { type: "beat" });
    }
  }

  async function close(): Promise<void> {
    closing = true;
    clearInterval(beats);
    for (const timer of waits) clearTimeout(timer);
    const left = [...workers];
    await Promise.all(
      left.map(async (worker) => {
        const gone = new Promise((resolve) => worker.child.once("close", resolve));
        const forced = setTimeout(() => worker.child.kill("SIGKILL"), CLOSE_WITHIN_MS);
        say(worker, { type: "stop" });
        await gone;
        clearTimeout(forced);
      }),
    );
  }

  const beats = setInterval(beat, silenceMs / BEATS);
  try {
    await Promise.all(Array.from({ length: count }, () => start(0)));
  } catch (error) {
    await close();
    throw error;
  }
  return { applied: (xid) => applied(xid === null ? null : String(xid)), close };
}

function say({ child }: Worker, message: ToWorker): void {
  // One that is just ending is told nothing; its end is.
  if (child.connected) child.send(message, () => {});
}
