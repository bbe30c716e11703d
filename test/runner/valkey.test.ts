import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openValkeyDoor } from "../../src/runner/valkey.ts";
import { reach } from "../../src/store/valkey/child.ts";
import { Connection } from "../../src/store/valkey/connection.ts";
import type { queueOf } from "../../src/store/valkey/valkey.ts";
import { environment } from "../fixtures/environments.ts";
import { doorOf, folder, of, open } from "../store/valkeys.ts";
import { rpc, world } from "./harness.ts";

const tasksEnvironment = ["fastmcp[tasks]==4.1.2"];

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

test("A connection that cannot be made does not give away what its instance has begun since. [R:tasks.adopted-once]", async () => {
  const valkey = open();
  const done: string[] = [];
  let down = false;
  const valkeys = {
    ...doorOf(valkey),
    adopt: (target: Parameters<typeof queueOf>[0]) => {
      done.push("adopted");
      return valkey.adopt(target);
    },
    connect: (target: Parameters<typeof queueOf>[0]) =>
      down ? Promise.reject(new Error("down")) : valkey.connect(target),
  };
  const path = join(folder(), "door");
  const door = await openValkeyDoor(
    valkeys,
    { organization: "org", ...of("srv_one") },
    { path, uid: null, failed: (why) => done.push(why) },
  );
  onTestFinished(() => door.close());
  const ping = async () => new Connection(await reach(path)).command("PING");
  expect(await ping()).toBe("PONG");
  down = true;
  await expect(ping()).rejects.toThrow(/closed|reset|EPIPE/i);
  down = false;
  expect(await ping()).toBe("PONG");
  expect(done).toEqual(["adopted", "down"]);
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
