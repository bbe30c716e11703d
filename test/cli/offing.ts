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
export async function offing(env: Env, ...args: string[]): Promise<Ran> {
  const child = start(env, args);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

/** The one JSON value that a command printed; anything beside it on stdout is an error. */
export function value(ran: Ran): any {
  if (!/^[^\n]+\n$/.test(ran.stdout)) throw new Error(`not one line on stdout: ${ran.stdout}\n${ran.stderr}`);
  return JSON.parse(ran.stdout);
}

/** Runs a command that does not end by itself, until one of its JSON lines is the one wanted. */
export async function until(env: Env, args: string[], wanted: (line: any) => boolean): Promise<unknown[]> {
  const child = start(env, args);
  const seen: unknown[] = [];
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      seen.push(JSON.parse(line));
      if (wanted(seen.at(-1))) return seen;
    }
    throw new Error(`it ended before: ${JSON.stringify(seen)}`);
  } finally {
    child.kill();
  }
}

function start(env: Env, args: readonly string[]) {
  const bare: Env = { PATH: process.env["PATH"], HOME: "/nowhere", NODE_ENV: "test", ...env };
  const child = spawn(process.execPath, [main, ...args], { env: bare, stdio: ["ignore", "pipe", "pipe"] });
  return child;
}
