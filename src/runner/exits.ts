import { constants } from "node:os";
import type { Exit } from "./layers/launch.ts";
import { StartError } from "./runner.ts";

const numbers = new Map<string, number>(Object.entries(constants.signals));
const names = new Map([...numbers].map(([name, number]) => [number, name]));

/** What a native module does when it crashes, and what to do about it. */
const CRASHES: Readonly<Record<string, string>> = {
  SIGSEGV: "A native module crashed; the last lines show in which call. Pin another version of its package.",
  SIGBUS: "A native module crashed; the last lines show in which call. Pin another version of its package.",
  SIGFPE: "A native module crashed; the last lines show in which call. Pin another version of its package.",
  SIGABRT: "A native module gave up; the last lines show in which call. Pin another version of its package.",
  SIGILL:
    "A native module was built for another processor; the last lines show in which call. Pin a version with a wheel for this one.",
  SIGSYS: "It asked the kernel for what the sandbox refuses; the last lines show in which call.",
  SIGKILL:
    "Something ended it from outside, unless its code exits with 137: where the machine itself ran out of memory, give it more.",
};

/** How an instance ended, to go on after "The instance is gone: ". */
export function told(exit: Exit, memoryMb: number): string {
  if (exit.memory) return `it used more than its ${memoryMb} MB of memory and was killed`;
  const signal = signalOf(exit);
  if (signal === null) return `it ended by itself with exit code ${exit.code}`;
  const ended = `it was ended by signal ${numbers.get(signal) ?? ""} (${signal})`;
  // No code chooses the number of a crash; others, such as 137 and 143, are chosen.
  const certain = exit.signal !== null || (signal !== "SIGKILL" && signal in CRASHES);
  return certain ? ended : `${ended}, or ended itself with exit code ${exit.code}`;
}

/** An instance that ended, or was ended, before it said that it is ready and without saying why. */
export function startFailure(
  exit: Exit,
  timedOut: boolean,
  { memoryMb, startTimeoutMs }: { readonly memoryMb: number; readonly startTimeoutMs: number },
): StartError {
  if (exit.memory) {
    return new StartError(
      "memory",
      `The server used more than its ${memoryMb} MB of memory while it started.`,
      {
        hint: `Load less at import, or give every instance more: OFFING_MEMORY_MB=${memoryMb * 2} ./offing up`,
        code: "out_of_memory",
      },
    );
  }
  if (timedOut) {
    return new StartError("timeout", `The server was not ready after ${startTimeoutMs / 1000} seconds.`, {
      hint: "Move slow work out of the import and the lifespan, into the first call that needs it.",
    });
  }
  const crash = CRASHES[signalOf(exit) ?? ""];
  return new StartError("exited", `The server ended before it was ready: ${told(exit, memoryMb)}.`, {
    hint:
      crash ??
      "The last lines that it printed say why, where it said anything; os._exit() in the code ends it without a word.",
    ...(crash === undefined ? {} : { code: "crashed" }),
  });
}

/** The signal that ended it, certainly or as it seems from the code that the sandbox told. */
function signalOf({ signal, code, relayed }: Exit): string | null {
  if (signal !== null) return signal;
  return relayed && code !== null && code > 128 ? (names.get(code - 128) ?? null) : null;
}
