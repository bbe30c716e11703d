import { join } from "node:path";
import { newId } from "../lib/ids.ts";
import { startFailure, told } from "./exits.ts";
import { launch, type Cellmate } from "./layers/launch.ts";
import { printable } from "../lib/printable.ts";
import { readLines } from "../lib/read-lines.ts";
import { type CapabilityEra, describe, parseMessage, type Ready } from "./channel.ts";
import { withoutValues } from "./mask.ts";
import { cellFor, type InstanceOptions, orderFor } from "./prepare.ts";
import type { Claim } from "./run-folder.ts";
import { openValkeyDoor, type ValkeyDoor } from "./valkey.ts";
import { StartError, type LocatedArtifact, type ServerLine, type Target } from "./runner.ts";

const OUTPUT_KEPT = 40;
const LONGEST_MESSAGE = 1024 * 1024;
const STOP_MS = 3000;
const LAST_WORDS_MS = 500;
/** For an instance to say whether its work is done. */
const ANSWER_MS = 2000;

const IN_MEMORY =
  "the server has background tasks, and this machine has no Valkey to keep them in: a restart of the server loses them. Until they are done and read it stays awake. Install valkey-server or redis-server, or set VALKEY_URL";

/** A started server: it has said that it is ready. */
export interface Instance {
  readonly id: string;
  readonly address: string;
  /** What was started, and how it was found. */
  readonly description: string;
  /** Its capabilities that need one of the two eras that it speaks. */
  readonly eras: readonly CapabilityEra[];
  /** What does not hold for it here, in sentences. */
  readonly warnings: readonly string[];
  /** Why it ended, in words, and whether memory was the reason. */
  readonly ended: Promise<{ readonly reason: string; readonly memory: boolean }>;
  /** Whether it has work of its own that is not done: background tasks. */
  unfinished(): Promise<boolean>;
  /** Asks it to end, and after three seconds makes it. Resolves when nothing of it is left. */
  stop(): Promise<void>;
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
  let door: ValkeyDoor | null = null;
  let mate: Cellmate;
  try {
    claim = options.folder.claim();
    const prepared = await cellFor(located, claim, options, target);
    if (prepared.valkey !== null) {
      door = await openValkeyDoor(options.valkeys!, target, {
        path: prepared.valkey,
        uid: prepared.uid,
        failed: (why) => write("system", `what it keeps beyond its own life cannot be reached: ${why}`, null),
      });
    }
    mate = await launch(options.machine, prepared, String(claim.number));
  } catch (error) {
    door?.close();
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
  const ended = mate.ended.finally(() => {
    door?.close();
    held.release();
  });
  ended.catch(() => {});
  const code = options.machine.layer === "bwrap" ? "/code" : located.code;
  mate.stdin.write(`${JSON.stringify(orderFor(located, code, options))}\n`);
  for (const stream of ["stdout", "stderr"] as const) {
    void readLines(mate[stream], (text) => write(stream, text, null));
  }
  let timedOut = false;
  let description = "";
  let eras: readonly CapabilityEra[] = [];
  let forgets = false;
  let asked: ((unfinished: boolean) => void) | undefined;
  const timer = setTimeout(() => {
    timedOut = true;
    mate.kill();
  }, options.startTimeoutMs);
  try {
    const ready = await readiness(mate, write, (unfinished) => asked?.(unfinished));
    description = describe(ready);
    eras = ready.eras;
    const took = Math.round(options.clock.monotonic() - began);
    write("system", `started in ${took} ms on Python ${ready.versions.python}: ${description}`, null);
    forgets = ready.tasks && door === null;
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
    eras,
    warnings: forgets ? [IN_MEMORY] : [],
    ended: ended.then((exit) => {
      const reason = stopping ? "it was stopped" : told(exit, options.limits.memoryMb);
      write("system", `ended: ${reason}`, null);
      return { reason, memory: exit.memory };
    }),
    unfinished: async () => {
      if (door !== null) return options.valkeys!.unfinished(target);
      if (!forgets) return false;
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), ANSWER_MS);
        asked = (unfinished) => {
          clearTimeout(timer);
          resolve(unfinished);
        };
        mate.control.write(`${JSON.stringify({ ask: "unfinished" })}\n`);
      });
    },
    stop: async () => {
      stopping = true;
      mate.control.write(`${JSON.stringify({ stop: true })}\n`);
      const forced = setTimeout(() => mate.kill(), STOP_MS);
      await ended.finally(() => clearTimeout(forced));
    },
  };
}

/** Resolves at the ready message and goes on passing lines; rejects when told of a failure or when the channel ends. */
function readiness(
  mate: Cellmate,
  write: (stream: "stdout" | "stderr", text: string, request: string | null) => void,
  answered: (unfinished: boolean) => void,
): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const heard = (text: string): void => {
      const message = parseMessage(text);
      if (message?.type === "line") write(message.stream, message.text, message.request);
      else if (message?.type === "ready") resolve(message.ready);
      else if (message?.type === "unfinished") answered(message.unfinished);
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
