import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { deployed } from "../deploy.ts";
import { type Program, startProgram } from "../program.ts";
import { statelessCall } from "../gateway/scripted.ts";

/** A server whose task runs until it is released, by a key that all of its instances see. */
const server = (version: string) => ({
  "requirements.txt": "fastmcp[tasks]==4.1.2\n",
  "main.py": `
import asyncio
import os

import redis.asyncio
from fastmcp import FastMCP
from fastmcp_tasks import TasksExtension
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

mcp = FastMCP("tasks")
mcp.add_extension(TasksExtension())
keys = redis.asyncio.Redis.from_url(os.environ["OFFING_VALKEY_URL"], retry=Retry(ConstantBackoff(0.1), 100))
prefix = os.environ["OFFING_VALKEY_PREFIX"]


@mcp.tool(task=True)
async def long(name: str) -> str:
    await keys.set(f"{prefix}begun:{name}", os.urandom(8).hex())
    while not await keys.exists(f"{prefix}gate:{name}"):
        await asyncio.sleep(0.05)
    return f"${version} has done {name}"


@mcp.tool
async def begun(name: str) -> str:
    return (await keys.get(f"{prefix}begun:{name}") or b"").decode()


@mcp.tool
async def release(name: str) -> str:
    await keys.set(f"{prefix}gate:{name}", "open")
    return "released"
`,
});

const declared = {
  "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
};

let program: Program;
beforeAll(async () => {
  program = await startProgram();
  const { build } = await deployed(program.owner, "tasks", server("one"));
  expect(build.error).toBeNull();
});
afterAll(() => program[Symbol.asyncDispose]());

async function send(method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
  const made = statelessCall(method, params, declared);
  const named = typeof params["taskId"] === "string" ? { "mcp-name": params["taskId"] } : {};
  const answer = await fetch(`${program.url}/default/tasks/mcp`, {
    method: "POST",
    headers: { ...made.headers, ...named, authorization: `Bearer ${program.owner.key}` },
    body: made.body,
  });
  const text = await answer.text();
  const message = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as {
    result?: Record<string, unknown>;
  };
  if (message.result === undefined) throw new Error(text);
  return message.result;
}

const call = (name: string, task: string) => send("tools/call", { name, arguments: { name: task } });
const text = (result: Record<string, unknown>) => (result["content"] as { text: string }[])[0]?.text ?? "";

/** Begins a task; its id, and what its run is known by once it has begun. */
async function begin(name: string): Promise<{ taskId: string; run: string }> {
  const made = await call("long", name);
  expect(made).toMatchObject({ resultType: "task", status: "working" });
  return { taskId: String(made["taskId"]), run: await begunAnew(name, "") };
}

/** Resolves when a run of the task has begun that is not `before`. */
async function begunAnew(name: string, before: string): Promise<string> {
  let run = "";
  await vi.waitFor(
    async () => {
      run = text(await call("begun", name));
      expect(run).not.toBe("");
      expect(run).not.toBe(before);
    },
    { timeout: 30_000, interval: 100 },
  );
  return run;
}

async function outcome(taskId: string): Promise<string> {
  let task: Record<string, unknown> = {};
  await vi.waitFor(
    async () => {
      task = await send("tasks/get", { taskId });
      expect(task["status"]).toBe("completed");
    },
    { timeout: 30_000, interval: 100 },
  );
  return text(task["result"] as Record<string, unknown>);
}

/** Processes of the program whose command line holds `words`. */
const pidsOf = (words: string) =>
  program.descendants().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(words);
    } catch {
      return false;
    }
  });

describe("a task of a hosted FastMCP server", () => {
  it("is done by the next instance after its own was killed, woken by the look at it. [R:tasks.hosted-restart]", async () => {
    const { taskId, run } = await begin("instance");
    for (const pid of pidsOf("/offing/serve.py")) process.kill(pid, "SIGKILL");
    await vi.waitFor(async () => expect((await send("tasks/get", { taskId }))["status"]).toBe("working"), {
      timeout: 30_000,
      interval: 200,
    });
    await begunAnew("instance", run);
    await call("release", "instance");
    expect(await outcome(taskId)).toBe("one has done instance");
  });

  it("outlives a kill of the program, and of Valkey with it. [R:tasks.hosted-program]", async () => {
    const { taskId, run } = await begin("program");
    await program.kill();
    await program.start();
    expect(await send("tasks/get", { taskId })).toMatchObject({ taskId, status: "working" });
    await begunAnew("program", run);
    await call("release", "program");
    expect(await outcome(taskId)).toBe("one has done program");
  });

  it("outlives a kill of Valkey alone. [R:tasks.hosted-valkey]", async () => {
    const { taskId } = await begin("valkey");
    const [valkey] = pidsOf("unixsocket:");
    process.kill(valkey!, "SIGKILL");
    await vi.waitFor(() => call("release", "valkey"), { timeout: 30_000, interval: 200 });
    expect(await outcome(taskId)).toBe("one has done valkey");
  });

  it("is done by the code that it was given to, when another has been promoted. [R:tasks.promotion]", async () => {
    const { taskId } = await begin("promotion");
    const { build } = await deployed(program.owner, "tasks", server("two"));
    expect(build.error).toBeNull();
    const later = await begin("later");
    await call("release", "promotion");
    await call("release", "later");
    expect(await outcome(later.taskId)).toBe("two has done later");
    expect(await outcome(taskId)).toBe("one has done promotion");
  });
});
