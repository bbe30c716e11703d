import { dirname, join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import { newId } from "../lib/ids.ts";
import { startFailure, told } from "./exits.ts";
import { environmentInterpreter, pythonFolder } from "./interpreter.ts";
import type { Limits } from "./layers/cell.ts";
import { launch, type Cellmate, type Machine } from "./layers/launch.ts";
import { printable } from "../lib/printable.ts";
import { readLines } from "../lib/read-lines.ts";
import { describe, parseMessage, type Ready } from "./channel.ts";
import { withoutValues } from "./mask.ts";
import { makeTmp, type Claim, type RunFolder } from "./run-folder.ts";
import { StartError, type Lines, type LocatedArtifact, type ServerLine, type Target } from "./runner.ts";

const OUTPUT_KEPT = 40;
const LONGEST_MESSAGE = 1024 * 1024;
const STOP_MS = 3000;
const LAST_WORDS_MS = 500;

export interface InstanceOptions {
  readonly machine: Machine;
  readonly folder: RunFolder;
  readonly lines: Lines;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly startTimeoutMs: number;
  /** Processes of a program behind a bridge, one per session, at most. */
  readonly bridgeProcesses: number;
  /** How long one may be silent after a call was cancelled, before it is ended. */
  readonly bridgeSilentMs: number;
  /** Sessions that one instance keeps at most; the longest unused goes first. */
  readonly sessions: number;
}

/** A started server: it has said that it is ready. */
export interface Instance {
  readonly id: string;
  readonly address: string;
  /** What was started, and how it was found. */
  readonly description: string;
  /** Why it ended, in words, and whether memory was the reason. */
  readonly ended: Promise<{ readonly reason: string; readonly memory: boolean }>;
  /** Asks it to end, and after three seconds makes it. Resolves when nothing of it is left. */
  stop(): Promise<void>;
}

/** Variables of every instance. What the server's scope sets wins, but for the places that only the sandbox knows. */
function environment(located: LocatedArtifact, bin: string, tmp: string): Record<string, string> {
  return {
    LANG: "C.UTF-8",
    FASTMCP_CHECK_FOR_UPDATES: "off",
    FASTMCP_ENABLE_RICH_LOGGING: "false",
    FASTMCP_SHOW_SERVER_BANNER: "false",
    FASTMCP_SHOW_CLI_BANNER: "false",
    PYTHONUNBUFFERED: "1",
    // A native module that crashes leaves the Python stack in its last lines.
    PYTHONFAULTHANDLER: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    ...located.variables,
    ...located.told,
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
    VIRTUAL_ENV: dirname(bin),
    HOME: join(tmp, "home"),
    TMPDIR: tmp,
  };
}

/** Starts a located artifact. Throws a StartError; then nothing of it is left. */
export async function startInstance(
  target: Target,
  located: LocatedArtifact,
  options: InstanceOptions,
): Promise<Instance> {
  const id = newId("ins", options.clock.now());
  const began = options.clock.monotonic();
  const output: string[] = [];
  const write = (stream: ServerLine["stream"], said: string, request: string | null): void => {
    const text = printable(said);
    if (stream !== "system") {
      output.push(text);
      if (output.length > OUTPUT_KEPT) output.shift();
    }
    options.lines.write({ at: options.clock.now(), target, instance: id, stream, text, request });
  };
  let claim: Claim | null = null;
  let mate: Cellmate;
  try {
    claim = options.folder.claim();
    mate = await launch(options.machine, await cell(located, claim, options), String(claim.number));
  } catch (error) {
    claim?.release();
    throw new StartError(
      "isolation",
      `The sandbox for the instance could not be made: ${(error as Error).message}`,
      {
        hint: "This is a fault of the machine or of the platform, not of the server. What this machine isolates with stands in the start-up message of `offing up`.",
      },
    );
  }
  const held = claim;
  const ended = mate.ended.finally(() => held.release());
  ended.catch(() => {});
  const code = options.machine.layer === "bwrap" ? "/code" : located.code;
  mate.stdin.write(`${JSON.stringify(orderFor(located, code, options))}\n`);
  for (const stream of ["stdout", "stderr"] as const) {
    void readLines(mate[stream], (text) => write(stream, text, null));
  }
  let timedOut = false;
  let description = "";
  const timer = setTimeout(() => {
    timedOut = true;
    mate.kill();
  }, options.startTimeoutMs);
  try {
    const ready = await readiness(mate, write);
    description = describe(ready);
    const took = Math.round(options.clock.monotonic() - began);
    write("system", `started in ${took} ms on Python ${ready.versions.python}: ${description}`, null);
  } catch (error) {
    // It is about to end by itself, with an exit code that says more than our kill would.
    const forced = setTimeout(() => mate.kill(), LAST_WORDS_MS);
    const exit = await ended.finally(() => clearTimeout(forced));
    const failure =
      error instanceof StartError
        ? error
        : startFailure(exit, timedOut, {
            memoryMb: options.limits.memoryMb,
            startTimeoutMs: options.startTimeoutMs,
          });
    throw withoutValues(failure, output, located.variables);
  } finally {
    clearTimeout(timer);
  }
  let stopping = false;
  return {
    id,
    address: `unix:${join(held.folder, "s")}`,
    description,
    ended: ended.then((exit) => {
      const reason = stopping ? "it was stopped" : told(exit, options.limits.memoryMb);
      write("system", `ended: ${reason}`, null);
      return { reason, memory: exit.memory };
    }),
    stop: async () => {
      stopping = true;
      mate.control.write(`${JSON.stringify({ stop: true })}\n`);
      const forced = setTimeout(() => mate.kill(), STOP_MS);
      await ended.finally(() => clearTimeout(forced));
    },
  };
}

/** What serve.py is told on its standard input. */
function orderFor(located: LocatedArtifact, code: string, options: InstanceOptions): object {
  return {
    code,
    entrypoint: located.entrypoint,
    object: located.object,
    pythonPath: located.pythonPath,
    program: located.program ?? null,
    argv: located.argv ?? [],
    startMs: options.startTimeoutMs,
    processes: options.bridgeProcesses,
    silentMs: options.bridgeSilentMs,
    sessions: options.sessions,
    memoryMb: options.limits.memoryMb,
  };
}

async function cell(located: LocatedArtifact, claim: Claim, options: InstanceOptions) {
  const { machine } = options;
  const sandboxed = machine.layer === "bwrap";
  const interpreter = await environmentInterpreter(located.environment);
  const uid = machine.layer === "none" ? null : claim.uid;
  const tmp = sandboxed ? "/tmp" : makeTmp(claim, uid);
  const bin = join(sandboxed ? "/env" : located.environment, "bin");
  const program = join(sandboxed ? "/offing" : pythonFolder, "serve.py");
  return {
    mounts: [
      { source: located.code, target: "/code", writable: false },
      { source: located.environment, target: "/env", writable: false },
    ],
    interpreters: interpreter.folders,
    argv: [join(bin, "python"), "-u", program],
    cwd: sandboxed ? "/code" : located.code,
    env: environment(located, bin, tmp),
    uid,
    folder: claim.folder,
    listen: join(claim.folder, "s"),
    network: machine.egress === null ? ("none" as const) : ("filtered" as const),
    limits: options.limits,
  };
}

/** Resolves at the ready message and goes on passing lines; rejects when told of a failure or when the channel ends. */
function readiness(
  mate: Cellmate,
  write: (stream: "stdout" | "stderr", text: string, request: string | null) => void,
): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const heard = (text: string): void => {
      const message = parseMessage(text);
      if (message?.type === "line") write(message.stream, message.text, message.request);
      else if (message?.type === "ready") resolve(message.ready);
      else if (message?.type === "failed") {
        const { type: _, reason, message: said, ...detail } = message;
        reject(new StartError(reason, said, detail));
      }
    };
    void readLines(mate.control, heard, LONGEST_MESSAGE).then(() =>
      reject(new Error("the instance ended before it was ready")),
    );
  });
}
