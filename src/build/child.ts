import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface ChildCommand {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  onLine?(stream: "out" | "err", text: string): void;
}

export interface ChildResult {
  /** The exit code; 128 + n after signal n, as a shell says it. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** More output than this of one stream is told line by line but not kept. */
const KEEP = 64 * 1024 ** 2;

/**
 * Runs a trusted program to its end, in a process group of its own. An abort
 * kills the whole group and rejects with the signal's reason; a program that
 * cannot be started rejects with the system's error.
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
  const kept = { out: "", err: "" };
  const read = (stream: "out" | "err"): void => {
    const lines = createInterface({ input: stream === "out" ? child.stdout : child.stderr });
    lines.on("line", (text) => {
      if (kept[stream].length < KEEP) kept[stream] += `${text}\n`;
      command.onLine?.(stream, text);
    });
  };
  read("out");
  read("err");
  try {
    const code = await new Promise<number>((done, fail) => {
      child.once("error", fail);
      child.once("close", (exit, signal) => done(exit ?? (signal === "SIGKILL" ? 137 : 143)));
    });
    command.signal.throwIfAborted();
    return { code, out: kept.out, err: kept.err };
  } finally {
    command.signal.removeEventListener("abort", kill);
    kill();
  }
}
