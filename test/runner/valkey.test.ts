import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test, vi } from "vitest";
import { silentLog } from "../../src/lib/log.ts";
import { findValkey } from "../../src/main/valkey.ts";
import { accountForValkey, startValkey } from "../../src/store/valkey/child.ts";
import { Connection } from "../../src/store/valkey/connection.ts";
import { openValkey, prefixOf, queueOf } from "../../src/store/valkey/valkey.ts";
import { testCache } from "../cache.ts";
import { environment, python } from "../fixtures/environments.ts";
import { rpc, world } from "./harness.ts";

const tasksEnvironment = ["fastmcp[tasks]==4.1.2"];
const find = () => findValkey({ cacheDir: testCache, python, env: process.env, say: () => {} });

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "offing-valkey-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function open(options: { dataDir?: string; url?: string; started?: (pid: number) => void } = {}) {
  const valkey = openValkey({
    dataDir: options.dataDir ?? folder(),
    url: options.url,
    find,
    account: accountForValkey,
    key: Buffer.alloc(32, 7),
    log: {
      ...silentLog,
      info: (_, detail) => options.started?.((detail as { pid: number }).pid),
    },
  });
  onTestFinished(() => valkey.close());
  return valkey;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

const of = (server: string, artifact = "a") => ({ server, artifact, scope: "production", variables: null });

async function signedIn(valkey: ReturnType<typeof open>, server: string): Promise<Connection> {
  return new Connection(await valkey.connect(of(server)));
}

/** What the runner is given, over a store. */
function doorOf(valkey: ReturnType<typeof open>) {
  return {
    ...valkey,
    names: (target: Parameters<typeof queueOf>[0]) => ({
      prefix: prefixOf(target.server),
      queue: queueOf(target),
    }),
  };
}

test("A server reads and writes its own keys, and no other server's, not even by name. [R:tasks.own-keys]", async () => {
  const valkey = open();
  const [one, two] = await Promise.all([signedIn(valkey, "srv_one"), signedIn(valkey, "srv_two")]);
  const own = `${prefixOf("srv_one")}secret`;
  expect(await one.command("SET", own, "mine")).toBe("OK");
  expect(await one.command("GET", own)).toBe("mine");
  const foreign = [
    ["GET", own],
    ["SET", own, "stolen"],
    ["DEL", own],
    ["EVAL", "return redis.call('GET', KEYS[1])", "1", own],
    ["EVAL", `return redis.call('GET', '${own}')`, "0"],
    ["COPY", own, `${prefixOf("srv_two")}copy`],
    ["SET", "unprefixed", "1"],
    ["SUBSCRIBE", `${prefixOf("srv_one")}channel`],
    ["PSUBSCRIBE", "*"],
    ["PUBLISH", `${prefixOf("srv_one")}channel`, "hello"],
    ["KEYS", "*"],
    ["SCAN", "0"],
    ["EVAL", "return redis.call('SCAN', '0')", "0"],
    ["RANDOMKEY"],
    ["MONITOR"],
    ["CONFIG", "GET", "*"],
    ["ACL", "LIST"],
    ["CLIENT", "LIST"],
    ["FLUSHALL"],
    ["SHUTDOWN"],
    ["AUTH", "offing-srv_one", "guess"],
    ["AUTH", "offing", ""],
  ];
  for (const command of foreign) {
    const answer = await two.command(...command).then(String, (error: Error) => error.message);
    expect(`${command.join(" ")} → ${answer}`).toMatch(/→ .*(?:NOPERM|WRONGPASS|ACL failure)/);
  }
  expect(await one.command("GET", own)).toBe("mine");
});

for (const [what, script] of [
  ["that only reads", "while true do end"],
  ["that has written", "redis.call('SET', KEYS[1], '1') while true do end"],
] as const) {
  test(`A script ${what} and never ends holds other servers up for a moment only. [R:tasks.endless-script]`, async () => {
    const valkey = open();
    const key = `${prefixOf("srv_two")}kept`;
    const two = await signedIn(valkey, "srv_two");
    await two.command("SET", key, "kept");
    const one = await signedIn(valkey, "srv_one");
    const endless = one.command("EVAL", script, "1", `${prefixOf("srv_one")}k`);
    await expect(endless).rejects.toThrow(/killed|closed|reset/i);
    await vi.waitFor(
      async () => {
        const again = await signedIn(valkey, "srv_two");
        expect(await again.command("GET", key)).toBe("kept");
        again.close();
      },
      { timeout: 20_000, interval: 100 },
    );
  });
}

test("Valkey is started by the first connection, on a socket that only its account may open. [R:tasks.started-when-needed]", async () => {
  const dataDir = folder();
  const valkey = open({ dataDir });
  expect(await valkey.available()).toBe(true);
  expect(await valkey.unfinished(of("srv_one"))).toBe(false);
  expect(() => statSync(join(dataDir, "valkey"))).toThrow("ENOENT");
  const connection = await signedIn(valkey, "srv_one");
  expect(await connection.command("PING")).toBe("PONG");
  expect(statSync(join(dataDir, "valkey", "s")).mode & 0o777).toBe(0o600);
  expect(statSync(join(dataDir, "valkey")).mode & 0o777).toBe(0o700);
});

test("What was acknowledged is there after Valkey was killed, and the next connection starts it again. [R:tasks.survives-kill]", async () => {
  let pid = 0;
  const valkey = open({ started: (running) => (pid = running) });
  const key = `${prefixOf("srv_one")}kept`;
  const first = await signedIn(valkey, "srv_one");
  await first.command("SET", key, "kept");
  process.kill(pid, "SIGKILL");
  await vi.waitFor(() => expect(first.broken).toBe(true));
  const second = await signedIn(valkey, "srv_one");
  expect(await second.command("GET", key)).toBe("kept");
});

/** Whether a process is there, and not merely waits for its parent to look. */
function runs(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("Valkey ends with the program that was killed, and the next program takes its folder over. [R:tasks.dies-with-parent]", async () => {
  const dataDir = folder();
  const program = (await find())!;
  const script = `
    import { accountForValkey, startValkey } from ${JSON.stringify(join(import.meta.dirname, "../../src/store/valkey/child.ts"))};
    const child = await startValkey({ dataDir: process.argv[1], program: process.argv[2], account: accountForValkey() });
    await (await child.connect()).command("SET", "left", "behind");
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const parent: ChildProcess = spawn(
    process.execPath,
    ["--input-type=module", "-e", script, dataDir, program],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [pid] = (await once(createInterface(parent.stdout!), "line")) as [string];
  parent.kill("SIGKILL");
  const next = await startValkey({ dataDir, program, account: accountForValkey() });
  onTestFinished(() => next.close());
  expect(runs(pid)).toBe(false);
  expect(await (await next.connect()).command("GET", "left")).toBe("behind");
});

const server = `
import asyncio
import os
import socket

from fastmcp import FastMCP

try:
    from fastmcp_tasks import TasksExtension
except ImportError:
    TasksExtension = None

mcp = FastMCP("long")
gate = asyncio.Event()

if TasksExtension is not None:
    mcp.add_extension(TasksExtension())

    @mcp.tool(task=True)
    async def long(name: str) -> str:
        print("begun " + name, flush=True)
        await gate.wait()
        return "done " + name


@mcp.tool
async def release() -> str:
    gate.set()
    return "released"


@mcp.tool
def given() -> dict:
    return {
        "variables": sorted(name for name in os.environ if "VALKEY" in name or "DOCKET" in name),
        "socket": os.path.exists("/valkey"),
    }


@mcp.tool
def ask(words: list[str]) -> str:
    with socket.socket(socket.AF_UNIX) as valkey:
        valkey.connect(os.environ["OFFING_VALKEY_URL"].removeprefix("unix://"))
        parts = [f"\${len(word.encode())}\\r\\n{word}\\r\\n" for word in words]
        valkey.sendall((f"*{len(words)}\\r\\n" + "".join(parts)).encode())
        return valkey.recv(4096).decode()
`;

const capabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } };

/** One request of the stateless era, of a client that understands tasks. */
function ask(address: string, method: string, params: Record<string, unknown>, name: string) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": method, "mcp-name": name };
  return rpc(address, method, { ...params, _meta }, headers);
}

const call = (address: string, name: string, args: object = {}) =>
  ask(address, "tools/call", { name, arguments: args }, name);
const look = (address: string, taskId: string) => ask(address, "tasks/get", { taskId }, taskId);

async function ended(address: string, taskId: string): Promise<unknown> {
  let found: Record<string, unknown> = {};
  await vi.waitFor(
    async () => {
      found = await look(address, taskId);
      expect(found["status"]).toBe("completed");
    },
    { timeout: 30_000 },
  );
  return found["result"];
}

test("A task that its instance had begun when it ended is done by the next one. [R:tasks.resumed]", async () => {
  const place = await world({ valkeys: doorOf(open()) });
  const target = await place.deploy({
    files: { "main.py": server },
    environment: await environment(tasksEnvironment),
  });
  const first = await place.runner.acquire(target);
  const { taskId } = await call(first.address, "long", { name: "one" });
  await place.line(({ text, instance }) => text === "begun one" && instance === first.instance);
  expect(await look(first.address, String(taskId))).toMatchObject({ status: "working" });
  await place.runner.retire(target);
  const second = await place.runner.acquire(target);
  expect(second.instance).not.toBe(first.instance);
  await place.line(({ text, instance }) => text === "begun one" && instance === second.instance);
  await call(second.address, "release");
  expect(await ended(second.address, String(taskId))).toMatchObject({ content: [{ text: "done one" }] });
});

test("An instance with tasks that are not done is not stopped for idleness; one without is. [R:tasks.kept-awake]", async () => {
  const place = await world({ valkeys: doorOf(open()), idleStopMs: 100 });
  const target = await place.deploy({
    files: { "main.py": server },
    environment: await environment(tasksEnvironment),
  });
  const idle = await place.deploy({ files: { "main.py": server } });
  const lease = await place.runner.acquire(target);
  const { taskId } = await call(lease.address, "long", { name: "one" });
  lease.release();
  // A server without tasks, left alone later, is stopped meanwhile.
  (await place.runner.acquire(idle)).release();
  await place.line(
    ({ text, target: { artifact } }) => artifact === idle.artifact && text.startsWith("ended"),
  );
  const again = await place.runner.acquire(target);
  expect(again.instance).toBe(lease.instance);
  await call(again.address, "release");
  await ended(again.address, String(taskId));
  again.release();
  await place.line(({ text, instance }) => instance === lease.instance && text.startsWith("ended"));
});

for (const isolation of ["landlock", "none"] as const) {
  test(`In the layer ${isolation}, which has no mounts, an instance reaches its keys too. [R:tasks.given-to]`, async () => {
    const place = await world({ valkeys: doorOf(open()), isolation });
    const target = await place.deploy({ files: { "main.py": server }, keepsState: true });
    const { address } = await place.runner.acquire(target);
    const words = ["SET", "offing:fixture:state:k", "v"];
    expect(await call(address, "ask", { words })).toMatchObject({ content: [{ text: "+OK\r\n" }] });
  });
}

test("With VALKEY_URL the same holds at a server that is there already. [R:tasks.valkey-url]", async () => {
  const port = await freePort();
  const child = spawn((await find())!, ["--port", String(port), "--requirepass", "all", "--save", ""], {
    cwd: folder(),
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const valkey = open({ url: `valkey://:all@127.0.0.1:${port}` });
  await vi.waitFor(() => signedIn(valkey, "srv_two"), { timeout: 10_000 });
  const [one, two] = await Promise.all([signedIn(valkey, "srv_one"), signedIn(valkey, "srv_two")]);
  await one.command("SET", `${prefixOf("srv_one")}k`, "mine");
  await expect(two.command("GET", `${prefixOf("srv_one")}k`)).rejects.toThrow("NOPERM");
  const refused = open({ url: `valkey://:wrong@127.0.0.1:${port}` });
  await expect(refused.connect(of("srv_one"))).rejects.toThrow(/VALKEY_URL\) refuses us: WRONGPASS/);
});

test("Without Valkey an instance stays awake while it has tasks in memory, and says what a restart loses. [R:tasks.in-memory]", async () => {
  const place = await world({ idleStopMs: 100 });
  const target = await place.deploy({
    files: { "main.py": server },
    environment: await environment(tasksEnvironment),
  });
  const idle = await place.deploy({ files: { "main.py": server } });
  const lease = await place.runner.acquire(target);
  expect(lease.warnings).toEqual([expect.stringContaining("a restart of the server loses them")]);
  const { taskId } = await call(lease.address, "long", { name: "one" });
  lease.release();
  (await place.runner.acquire(idle)).release();
  await place.line(
    ({ text, target: { artifact } }) => artifact === idle.artifact && text.startsWith("ended"),
  );
  const again = await place.runner.acquire(target);
  expect(again.instance).toBe(lease.instance);
  await call(again.address, "release");
  expect(await ended(again.address, String(taskId))).toMatchObject({ content: [{ text: "done one" }] });
});

test("A server that keeps something reaches its own keys alone; any other gets neither socket nor variable. [R:tasks.given-to]", async () => {
  const place = await world({ valkeys: doorOf(open()) });
  const own = await place.deploy({
    files: { "main.py": server },
    environment: await environment(tasksEnvironment),
  });
  const plain = await place.deploy({ files: { "main.py": server } });
  const state = await place.deploy({ files: { "main.py": server }, keepsState: true });
  const [tasks, none, kept] = await Promise.all(
    [own, plain, state].map(async (target) => (await place.runner.acquire(target)).address),
  );
  const variables = [
    "FASTMCP_DOCKET_NAME",
    "FASTMCP_DOCKET_URL",
    "OFFING_VALKEY_PREFIX",
    "OFFING_VALKEY_URL",
  ];
  for (const address of [tasks!, kept!]) {
    expect((await call(address, "given"))["structuredContent"]).toEqual({ variables, socket: true });
    const words = ["SET", "offing:fixture:state:k", "v"];
    expect(await call(address, "ask", { words })).toMatchObject({ content: [{ text: "+OK\r\n" }] });
    const foreign = JSON.stringify(await call(address, "ask", { words: ["GET", "offing:other:state:k"] }));
    expect(foreign).toContain("NOPERM");
  }
  expect((await call(none!, "given"))["structuredContent"]).toEqual({ variables: [], socket: false });
});
