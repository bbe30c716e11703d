import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "../src/contract/client.ts";
import { processStart } from "../src/lib/process.ts";
import type { Caller } from "./world.ts";
import { testCache } from "./cache.ts";

const main = join(import.meta.dirname, "../src/main.ts");

/** The program as its own process over a data folder of its own, with its own PostgreSQL: to be killed. */
export interface Program extends AsyncDisposable {
  readonly dataDir: string;
  readonly url: string;
  readonly pid: number;
  /** The sign-in link that the last start printed. */
  readonly signIn: string;
  readonly owner: Caller;
  /** What it said on stderr since it was started last. */
  said(): string;
  /** SIGKILL to the program alone. Resolves when it and everything that it had started is gone. */
  kill(): Promise<void>;
  /** Starts it (again) and waits until it serves. */
  start(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** The processes that it has started, and theirs. */
  descendants(): number[];
}

export async function startProgram(env: Record<string, string> = {}): Promise<Program> {
  const dataDir = mkdtempSync(join(tmpdir(), "offing-program-"));
  let child: ChildProcess | undefined;
  let url = "";
  let signIn = "";
  let said = "";

  const start = async () => {
    said = "";
    const started = spawn(
      process.execPath,
      [main, "up", "--json", "--no-example", "--port", "0", "--data", dataDir],
      {
        env: { ...process.env, OFFING_CACHE: testCache, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    child = started;
    started.stderr.on("data", (chunk) => (said += String(chunk)));
    let out = "";
    for await (const chunk of started.stdout) {
      out += String(chunk);
      if (out.includes("\n")) break;
    }
    if (out === "") throw new Error(`the program did not start:\n${said}`);
    ({ url, signIn } = JSON.parse(out) as { url: string; signIn: string });
  };

  await start();
  const key = readFileSync(join(dataDir, "owner.key"), "utf8").trim();
  const me = await createClient({ url, key }).call("me", {});
  const program: Program = {
    dataDir,
    get url() {
      return url;
    },
    get signIn() {
      return signIn;
    },
    get pid() {
      return child!.pid!;
    },
    owner: {
      id: me.principal.id,
      organization: me.organization.id,
      slug: "default",
      key,
      get client() {
        return createClient({ url, key });
      },
    },
    said: () => said,
    start,
    descendants: () => descendantsOf(child!.pid!),
    async kill() {
      const gone = once(child!, "exit");
      const left = program.descendants().map((pid) => ({ pid, start: processStart(pid) }));
      child!.kill("SIGKILL");
      await gone;
      // No orphan: each is gone within the time that this test has.
      while (left.some(({ pid, start: since }) => since !== undefined && isRunning(pid, since))) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    async stop() {
      const gone = once(child!, "exit");
      child!.kill("SIGTERM");
      return ((await gone) as [number | null])[0];
    },
    async [Symbol.asyncDispose]() {
      if (child!.exitCode === null && child!.signalCode === null) await program.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return program;
}

/** Alive and no zombie: a zombie waits for a parent that is not ours to change. */
function isRunning(pid: number, start: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[19] === start && fields[0] !== "Z";
  } catch {
    return false;
  }
}

export function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It ended while we looked.
    }
  }
  const found: number[] = [];
  for (const queue = [root]; queue.length > 0;) {
    const next = children.get(queue.shift()!) ?? [];
    found.push(...next);
    queue.push(...next);
  }
  return found;
}
