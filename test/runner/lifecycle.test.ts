import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test, vi } from "vitest";
import { offerRunner } from "../../src/runner/leases.ts";
import { createLocalRunner } from "../../src/runner/local.ts";
import { connectRunner } from "../../src/runner/remote.ts";
import { StartError } from "../../src/runner/runner.ts";
import { createSupervisor } from "../../src/runner/supervisor.ts";
import { bwrap, environment, python } from "../fixtures/environments.ts";
import { call, code, fastmcp4, fastmcpServer, startError, world } from "./harness.ts";

const server = fastmcpServer(`
import signal, subprocess
@mcp.tool
def pid() -> str:
    return str(os.getpid())
@mcp.tool
def die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
@mcp.tool
def spawn() -> str:
    return str(subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True).pid)
`);

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}

test("those who ask at the same time share one start, and later ones find it warm", async () => {
  const { runner, deploy, lines } = await world();
  const target = await deploy({ files: { "main.py": server } });
  const leases = await Promise.all([runner.acquire(target), runner.acquire(target), runner.acquire(target)]);
  leases.push(await runner.acquire(target));
  expect(new Set(leases.map((lease) => lease.instance)).size).toBe(1);
  expect(lines.filter((line) => line.text.startsWith("started in"))).toHaveLength(1);
});

test("an instance is kept while anyone holds a lease, stopped when idle after the last, and started again on demand", async () => {
  const { runner, deploy, line } = await world({ idleStopMs: 50 });
  const target = await deploy({ files: { "main.py": server } });
  const [first, second] = await Promise.all([runner.acquire(target), runner.acquire(target)]);
  first.release();
  first.release();
  expect(await call(second.address, "pid")).toMatch(/\d+/);
  second.release();
  await line((l) => l.stream === "system" && l.instance === first.instance && l.text.startsWith("ended"));
  const third = await runner.acquire(target);
  expect(third.instance).not.toBe(first.instance);
  expect(await call(third.address, "pid")).toMatch(/\d+/);
});

test("a crash tells every holder, holds the next start back with a reason, and a later one serves again", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": server } });
  const [one, two] = await Promise.all([runner.acquire(target), runner.acquire(target)]);
  await call(one.address, "die").catch(() => {});
  for (const lease of [one, two]) expect(String(await aborted(lease.lost))).toContain("signal 9");
  const refused = await startError(runner.acquire(target));
  expect(refused.message).toMatch(/It failed once; the next start is possible in \d+ s/);
  const again = await vi.waitUntil(() => runner.acquire(target).catch(() => null), { timeout: 20_000 });
  expect(again.instance).not.toBe(one.instance);
});

test("retiring a target ends its instance and forgets its failures", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({ files: { "main.py": "import nothing_like_it\n" } });
  await startError(runner.acquire(target));
  await runner.retire(target);
  expect((await startError(runner.acquire(target))).message).not.toContain("It failed");
});

test("nothing is kept of targets that are idle, and of those that failed only for ten minutes", async () => {
  let now = 0;
  const supervisor = createSupervisor({
    clock: { now: () => now, monotonic: () => now },
    idleStopMs: 60_000,
    maxInstances: 1,
    start: ({ artifact }) =>
      artifact === "failing"
        ? Promise.reject(new StartError("load", "It does not load."))
        : Promise.resolve({
            id: artifact,
            address: "",
            description: "",
            eras: [],
            ended: new Promise(() => {}),
            warnings: [],
            unfinished: () => Promise.resolve(false),
            stop: () => Promise.resolve(),
          }),
  });
  const target = (artifact: string) => ({
    organization: "o",
    server: "s",
    artifact,
    scope: "production",
    variables: null,
  });
  await startError(supervisor.acquire(target("failing")));
  // Each makes room for the next one.
  for (let n = 0; n < 100; n++) (await supervisor.acquire(target(`a${n}`))).release();
  expect(supervisor.size).toBe(3);
  expect((await startError(supervisor.acquire(target("failing")))).message).toContain("It failed once");
  now = 700_000;
  (await supervisor.acquire(target("last"))).release();
  expect(supervisor.size).toBe(2);
  await supervisor.close();
});

test("where all places are taken the longest idle instance makes room, and one in use never does", async () => {
  const { runner, deploy } = await world({ maxInstances: 1 });
  const one = await runner.acquire(await deploy({ files: { "main.py": server } }));
  const other = await deploy({ files: { "main.py": server } });
  expect(await startError(runner.acquire(other))).toMatchObject({ reason: "capacity" });
  one.release();
  const lease = await runner.acquire(other);
  expect(await call(lease.address, "pid")).toMatch(/\d+/);
  expect(one.lost.aborted).toBe(false);
});

test("closing the runner ends every instance and leaves no folder", async () => {
  const { runner, deploy } = await world();
  const lease = await runner.acquire(await deploy({ files: { "main.py": server } }));
  const path = lease.address.slice("unix:".length);
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(107);
  expect(existsSync(path)).toBe(true);
  await runner.close();
  expect(existsSync(join(path, "..", ".."))).toBe(false);
});

test("a run folder that is too long for a socket's path is replaced by a short one", async () => {
  const { runner, deploy } = await world({ runDir: join(tmpdir(), "x".repeat(120)) });
  const lease = await runner.acquire(await deploy({ files: { "main.py": server } }));
  expect(Buffer.byteLength(lease.address) - "unix:".length).toBeLessThanOrEqual(107);
});

interface Started {
  readonly process: ChildProcess;
  readonly told: Promise<Record<string, string>>;
}

function start(order: object): Started {
  const child = spawn(process.execPath, [join(import.meta.dirname, "owner.ts"), JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const told = new Promise<Record<string, string>>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", (text) =>
      resolve(JSON.parse(text) as Record<string, string>),
    );
    child.once("exit", () => reject(new Error("it ended before it told anything")));
  });
  return { process: child, told };
}

async function order() {
  const folder = mkdtempSync(join(tmpdir(), "offing-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    python,
    bwrap,
    code: code({ "main.py": server }),
    environment: await environment(fastmcp4),
    runDir: join(folder, "run"),
    socket: join(folder, "control"),
  };
}

/** Command lines of running processes that name `word`. */
function processesNaming(word: string): string[] {
  return readdirSync("/proc").flatMap((entry) => {
    try {
      const line = /^\d+$/.test(entry)
        ? readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ")
        : "";
      return line.includes(word) && Number(entry) !== process.pid ? [line] : [];
    } catch {
      return [];
    }
  });
}

function descendants(pid: number): number[] {
  const children = readdirSync("/proc").flatMap((entry) => {
    try {
      const stat = /^\d+$/.test(entry) ? readFileSync(`/proc/${entry}/stat`, "utf8") : "";
      return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === pid ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}

test("kill -9 of the platform leaves no process, and the next start no folder and no control group", async () => {
  const given = await order();
  const owner = start({ ...given, role: "owner" });
  const { address } = await owner.told;
  await call(address!, "spawn");
  const helpers = descendants(owner.process.pid!);
  expect(helpers.length).toBeGreaterThan(2);
  const block = join(address!.slice("unix:".length), "..", "..");
  const { cgroups } = JSON.parse(readFileSync(join(block, "owner.json"), "utf8")) as { cgroups: string[] };
  owner.process.kill("SIGKILL");
  await vi.waitUntil(() => helpers.every((pid) => !runs(pid)), { timeout: 10_000 });
  expect(processesNaming(given.code)).toEqual([]);

  const next = await createLocalRunner({
    python,
    bwrap: given.bwrap,
    runDir: given.runDir,
    lines: { write: () => {} },
    artifacts: { locate: () => Promise.reject(new Error("none")) },
  });
  for (const folder of cgroups) expect(existsSync(folder)).toBe(false);
  expect(existsSync(address!.slice("unix:".length))).toBe(false);
  await next.close();
  expect(readdirSync(given.runDir)).toEqual([]);
});

test("a living owner's folders and instances are not swept by another", async () => {
  const given = await order();
  const owner = start({ ...given, role: "owner" });
  const { address } = await owner.told;
  const { runner } = await world({ runDir: given.runDir });
  await runner.close();
  expect(await call(address!, "pid")).toMatch(/\d+/);
});

test("a client in another process is leased the same instance, and killing it releases its leases at once", async () => {
  const { runner, deploy, line } = await world({ idleStopMs: 50 });
  const folder = mkdtempSync(join(tmpdir(), "offing-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const known = await deploy({ files: { "main.py": server } });
  // The client asks for artifact `a`.
  const renamed = { ...runner, acquire: () => runner.acquire(known) };
  const offered = await offerRunner(renamed, join(folder, "control"));
  onTestFinished(() => offered.close());
  const client = start({ ...(await order()), role: "client", socket: join(folder, "control") });
  const { address, instance } = await client.told;
  expect(await call(address!, "pid")).toMatch(/\d+/);
  client.process.kill("SIGKILL");
  await line((l) => l.stream === "system" && l.instance === instance && l.text.startsWith("ended"));
});

test("over the control socket a lost lease, a failed start and a lost connection arrive as they are", async () => {
  const { runner, deploy } = await world();
  const folder = mkdtempSync(join(tmpdir(), "offing-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const offered = await offerRunner(runner, join(folder, "control"));
  const remote = await connectRunner(join(folder, "control"));
  onTestFinished(() => remote.close());
  expect(remote.isolation).toEqual(runner.isolation);

  const failing = await deploy({ files: { "main.py": "import nothing_like_it\n" } });
  expect(await startError(remote.acquire(failing))).toMatchObject({
    name: "StartError",
    reason: "load",
    traceback: expect.stringContaining('File "main.py", line 1') as string,
  });

  const lease = await remote.acquire(await deploy({ files: { "main.py": server } }));
  expect(lease.description).toMatch(/^FastMCP 4\.\S+ server `mcp`, found by loading main\.py$/);
  await call(lease.address, "die").catch(() => {});
  expect(String(await aborted(lease.lost))).toContain("signal 9");

  const other = await remote.acquire(await deploy({ files: { "main.py": server } }));
  await offered.close();
  expect(String(await aborted(other.lost))).toContain("connection to the runner is gone");
  expect((await startError(remote.acquire(failing))).message).toContain("cannot be reached");
});
