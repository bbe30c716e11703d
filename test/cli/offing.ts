import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { python } from "../fixtures/environments.ts";
import type { World } from "../world.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Env = Record<string, string | undefined>;

/** The environment of somebody elsewhere who has the URL and a key. */
export function remote(world: Pick<World, "url">, key: string): Env {
  return { OFFING_URL: world.url, OFFING_API_KEY: key };
}

/** Runs one command line as a person would, in a process of its own. */
export function offing(env: Env, ...args: string[]): Promise<Ran> {
  return fed(env, "", ...args);
}

/** The same, with something on its standard input. */
export async function fed(env: Env, input: string | Buffer, ...args: string[]): Promise<Ran> {
  const child = start(env, args);
  // A command that reads nothing may end before it is written to.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

/** A command line at a pseudo-terminal; each time that it asks, the next answer is typed. */
const TERMINAL = `
import json, os, pty, sys
answers, line = json.loads(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(line[0], line)
asked = b""
while True:
    try:
        read = os.read(terminal, 65536)
    except OSError:
        break
    if not read:
        break
    sys.stdout.buffer.write(read)
    asked += read
    # Once it has asked, the terminal shows nothing any more.
    if answers and b"Ctrl-D:" in asked:
        asked = b""
        os.write(terminal, answers.pop(0).encode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** Runs a command at a terminal, and types an answer each time that it asks for a value. */
export async function typed(
  env: Env,
  answers: readonly string[],
  ...args: string[]
): Promise<{ code: number | null; shown: string }> {
  const line = ["-c", TERMINAL, JSON.stringify(answers), process.execPath, main, ...args];
  const child = spawn(python, line, { env: bare(env), stdio: ["ignore", "pipe", "inherit"] });
  let shown = "";
  child.stdout.on("data", (chunk) => (shown += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, shown };
}

/** What tests look at of a command's JSON; each command has some of it. */
export interface Shown {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly server: string;
  readonly build: string;
  readonly endpoint: string;
  readonly status: string;
  readonly commit: string;
  readonly durationMs: number;
  readonly step: string;
  readonly text: string;
  readonly request: string;
  readonly httpStatus: number;
  readonly isError: boolean;
  readonly revokedAt: string | null;
  readonly capability: { readonly name: string } | null;
  readonly deployments: readonly { readonly build: string }[];
  readonly error: { readonly code: string };
}

/** The one JSON value that a command printed; anything beside it on stdout is an error. */
export function value<T = Shown>(ran: Ran): T {
  if (!/^[^\n]+\n$/.test(ran.stdout)) throw new Error(`not one line on stdout: ${ran.stdout}\n${ran.stderr}`);
  return JSON.parse(ran.stdout) as T;
}

/** Runs a command that does not end by itself, until one of its JSON lines is the one wanted. */
export async function until(env: Env, args: string[], wanted: (line: Shown) => boolean): Promise<Shown[]> {
  const child = start(env, args);
  child.stdin.end();
  const seen: Shown[] = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const shown = JSON.parse(line) as Shown;
      seen.push(shown);
      if (wanted(shown)) return seen;
    }
    throw new Error(`it ended before: ${JSON.stringify(seen)}`);
  } finally {
    child.kill();
  }
}

function start(env: Env, args: readonly string[]) {
  const child = spawn(process.execPath, [main, ...args], { env: bare(env), stdio: ["pipe", "pipe", "pipe"] });
  return child;
}

function bare(env: Env): Env {
  return { PATH: process.env["PATH"], HOME: "/nowhere", NODE_ENV: "test", ...env };
}
