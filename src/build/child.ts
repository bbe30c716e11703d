import { spawn } from "node:child_process";
import { readLines } from "../lib/read-lines.ts";

export interface ChildCommand {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** How `out` is decoded; `latin1` keeps every byte apart. Default `utf8`. */
  readonly encoding?: "utf8" | "latin1";
  onLine?(stream: "out" | "err", text: string): void;
}

export interface ChildResult {
  /** The exit code; 128 + n after signal n, as a shell says it. */
  readonly code: number;
  /** Everything that it wrote, byte for byte. */
  readonly out: string;
  /** The last of what it said; see `keepTail`. */
  readonly err: string;
}

/** A program that writes more than this is ended: a list that was cut would be taken for the whole. */
const OUTPUT = 64 * 1024 ** 2;
const TAIL = 128 * 1024;

/** Joins a line to what is kept for an explanation: the end of it matters, and its size is bounded. */
export function keepTail(kept: string, text: string): string {
  const longer = `${kept}${text}\n`;
  return longer.length > 2 * TAIL ? longer.slice(-TAIL) : longer;
}

/**
 * Runs a trusted program to its end, in a process group of its own. An abort
 * kills the whole group and rejects with the signal's reason; a program that
 * cannot be started rejects with the system's error, one that writes more than
 * 64 MiB with an Error that says so.
 */
export async function runChild(command: ChildCommand): Promise<ChildResult> {
  command.signal.throwIfAborted();
  const [program, ...args] = command.argv;
  if (program === undefined) throw new TypeError("argv is empty");
  const child = spawn(program, args, {
    cwd: command.cwd,
    env: { ...command.env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const kill = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // The group is gone already.
    }
  };
  command.signal.addEventListener("abort", kill, { once: true });
  child.stdin.on("error", () => {});
  child.stdin.end(command.input ?? "");
  const out: Buffer[] = [];
  let size = 0;
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT) out.push(chunk);
    else kill();
  });
  void readLines(child.stdout, (text) => command.onLine?.("out", text));
  void readLines(child.stderr, (text) => {
    err = keepTail(err, text);
    command.onLine?.("err", text);
  });
  // What it left running would hold its pipes, and with them us.
  child.once("exit", kill);
  try {
    const code = await new Promise<number>((done, fail) => {
      child.once("error", fail);
      child.once("close", (exit, signal) => done(exit ?? (signal === "SIGKILL" ? 137 : 143)));
    });
    command.signal.throwIfAborted();
    if (size > OUTPUT) throw new Error(`${program} wrote more than ${OUTPUT / 1024 ** 2} MiB`);
    return { code, out: Buffer.concat(out).toString(command.encoding ?? "utf8"), err };
  } finally {
    command.signal.removeEventListener("abort", kill);
    kill();
  }
}
