import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
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
  const bare: Env = { PATH: process.env["PATH"], HOME: "/nowhere", NODE_ENV: "test", ...env };
  const child = spawn(process.execPath, [main, ...args], { env: bare, stdio: ["pipe", "pipe", "pipe"] });
  return child;
}
