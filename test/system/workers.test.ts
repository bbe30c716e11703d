import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../src/contract/client.ts";
import { testCache } from "../cache.ts";
import { callText, deployed, mcpClient } from "../deploy.ts";
import { type Program, startProgram } from "../program.ts";
import { Line, linesToEach, workersOf } from "./lines.ts";

/** The program with two gateway processes on one port. */
let program: Program;
const opened: Line[] = [];
const WORKERS = { OFFING_WORKERS: "2" };
const server = {
  "requirements.txt": "fastmcp>=4,<5\n",
  "main.py": `import asyncio

from fastmcp import Context, FastMCP

mcp = FastMCP("Workers")
released = {}


@mcp.tool
async def answer() -> str:
    return "one"


@mcp.tool
async def hold(name: str, ctx: Context) -> str:
    released[name] = asyncio.Event()
    await ctx.report_progress(1, 2)
    await released[name].wait()
    return "released"


@mcp.tool
async def release(name: str) -> str:
    released[name].set()
    return "done"


@mcp.tool
async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("Your name?", response_type=str)
    return f"{answer.action} {answer.data}"
`,
};

beforeAll(async () => {
  program = await startProgram(WORKERS);
  const { build } = await deployed(program.owner, "shared", server);
  expect(build.error).toBeNull();
});
afterAll(async () => {
  for (const line of opened) line.close();
  await program[Symbol.asyncDispose]();
});

/** A kept-alive connection to each worker. */
async function each(): Promise<Line[]> {
  const lines = await linesToEach(program);
  opened.push(...lines);
  return lines;
}

const endpoint = "/default/shared/mcp";
const callTool = (name: string, args: object = {}, more: object = {}) => ({
  method: "tools/call",
  params: { name, arguments: args, ...more },
});
/** A call that stands until it is released, once it has told of its progress. */
const hold = (name: string) => callTool("hold", { name }, { _meta: { progressToken: name } });
const isProgress = (data: string) => data.includes("notifications/progress");

describe("Two gateway processes", () => {
  it("serve one port, and connections reach both. [R:workers.one-port]", async () => {
    expect(workersOf(program)).toHaveLength(2);
    const lines = await each();
    expect(new Set(lines.map((line) => line.worker))).toEqual(new Set(workersOf(program)));
  });

  it("both serve a session that began at one of them, and clients without sessions. [R:workers.any-session]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const session = await first.open(endpoint, program.owner.key);
    for (const line of [second, first]) {
      const list = await line.ask(endpoint, program.owner.key, { method: "tools/list" }, session);
      expect(list).toMatchObject({ result: { tools: expect.arrayContaining([expect.anything()]) } });
      const told = await line.ask(endpoint, program.owner.key, callTool("answer"), session);
      expect(told).toMatchObject({ result: { content: [{ text: "one" }] } });
      const stateless = await line.askStateless(endpoint, program.owner.key, callTool("answer"));
      expect(stateless).toMatchObject({ result: { content: [{ text: "one" }], resultType: "complete" } });
    }
    await first.send("DELETE", endpoint, { ...first.headers(program.owner.key), "mcp-session-id": session });
    const after = await second.post(endpoint, program.owner.key, callTool("answer"), session);
    expect(after.status).toBe(404);
  });

  it("both serve the SDK's client in either era.", async () => {
    for (const mode of ["legacy", "auto"] as const) {
      const client = await mcpClient(program, "default/shared", program.owner.key, mode);
      expect((await client.listTools()).tools.map((tool) => tool.name)).toContain("answer");
      await Promise.all(
        Array.from({ length: 20 }, async () => expect(await callText(client, "answer")).toBe("one")),
      );
      await client.close();
    }
  });

  it("both refuse a key from the moment when its revocation is answered. [R:workers.revocation]", async () => {
    const lines = await each();
    for (let round = 0; round < 5; round++) {
      const made = await program.owner.client.call(
        "createKey",
        { organization: "default" },
        { label: "passing" },
      );
      for (const line of lines) {
        expect((await line.post(endpoint, made.key, { method: "initialize", params: hello })).status).toBe(
          200,
        );
      }
      await program.owner.client.call("revokeKey", { organization: "default", key: made.id });
      const after = await Promise.all(
        lines.map((line) => line.post(endpoint, made.key, { method: "initialize", params: hello })),
      );
      expect(after.map(({ status }) => status)).toEqual([401, 401]);
    }
  });

  it("both pass on the API, its streams and the pages. [R:workers.rest]", async () => {
    const authorization = `Bearer ${program.owner.key}`;
    for (const line of await each()) {
      const me = await line.send("GET", "/api/v1/me", { authorization });
      expect(me.status).toBe(200);
      expect(JSON.parse(me.text)).toMatchObject({ organization: { slug: "default" } });
      // They may still be being built when the program starts for the first time.
      const home = () => line.send("GET", "/", { host: new URL(program.url).host });
      const type = async () => (await home()).headers["content-type"];
      await expect.poll(type, { timeout: 50_000 }).toContain("text/html");
      const page = await home();
      expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
      expect((await line.send("GET", "/api/v1/nothing", { authorization })).status).toBe(404);
      const large = await line.send(
        "POST",
        "/api/v1/organizations/default/keys",
        { authorization, "content-type": "application/json" },
        JSON.stringify({ label: "x".repeat(2_000_000) }),
      );
      expect(large.status).toBeGreaterThanOrEqual(400);
      line.close();
    }
    const { build } = await deployed(program.owner, "second", server);
    expect(build.status).toBe("succeeded");
  });

  it("each write the records of what they served. [R:workers.records]", async () => {
    const lines = await each();
    const traces = lines.map((_, at) => `${at + 1}`.repeat(32));
    for (const [at, line] of lines.entries()) {
      const traceparent = `00-${traces[at]}-00f067aa0ba902b7-01`;
      await line.askStateless(endpoint, program.owner.key, callTool("answer"), { traceparent });
    }
    const seen = async () => {
      const { items } = await program.owner.client.call(
        "listRequests",
        { organization: "default", server: "shared" },
        { limit: 200 },
      );
      return traces.map((trace) => items.filter((item) => item.trace === trace).length);
    };
    await expect.poll(seen, { timeout: 10_000 }).toEqual([1, 1]);
  });
});

describe("What one gateway process holds", () => {
  it("the other hands requests over for: a stream is resumed at either. [R:workers.resumed-anywhere]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const session = await first.open(endpoint, key);
    const held = await first.stream(endpoint, key, hold("resumed"), session);
    const event = await held.next(isProgress);
    held.leave();
    await second.ask(endpoint, key, callTool("release", { name: "resumed" }), session);
    const resumed = await second.resume(endpoint, key, session, event.id!);
    const told = await resumed.next((data) => data.includes('"result"'));
    expect(JSON.parse(told.data)).toMatchObject({ result: { content: [{ text: "released" }] } });
  });

  it("a call that waits for an answer is answered at either. [R:workers.parked-anywhere]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const capabilities = { elicitation: { form: {} } };
    const asked = await first.askStateless(endpoint, key, callTool("ask"), {}, capabilities);
    expect(asked).toMatchObject({ result: { resultType: "input_required" } });
    const { inputRequests, requestState } = asked["result"] as {
      inputRequests: Record<string, unknown>;
      requestState: string;
    };
    const inputResponses = Object.fromEntries(
      Object.keys(inputRequests).map((name) => [name, { action: "accept", content: { value: "Ada" } }]),
    );
    const told = await second.askStateless(
      endpoint,
      key,
      callTool("ask", {}, { inputResponses, requestState }),
      {},
      capabilities,
    );
    expect(told).toMatchObject({ result: { resultType: "complete", content: [{ text: "accept Ada" }] } });
  });
});

const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };

describe("kill -9 of a gateway process", () => {
  it("loses what it held, with one clear error, and nothing else: the port is served, sessions go on, another comes. [R:workers.killed]", async () => {
    const [first, second] = (await each()) as [Line, Line];
    const { key } = program.owner;
    const session = await first.open(endpoint, key);
    const held = await first.stream(endpoint, key, hold("lost"), session);
    const event = await held.next(isProgress);
    const before = workersOf(program);

    process.kill(first.worker, "SIGKILL");
    await held.broken();
    expect(await second.ask(endpoint, key, callTool("answer"), session)).toMatchObject({
      result: { content: [{ text: "one" }] },
    });
    const lost = await second.resume(endpoint, key, session, event.id!);
    const told = await lost.next((data) => data.includes('"error"'));
    expect(JSON.parse(told.data)).toMatchObject({
      error: { code: -31410, message: expect.stringContaining("not held any more") },
    });

    // Whichever process answers, the port is served all the time.
    await expect.poll(() => workersOf(program).includes(first.worker)).toBe(false);
    for (let n = 0; n < 10; n++) {
      const line = await Line.connect(program);
      expect(await line.ask(endpoint, key, callTool("answer"), session)).toMatchObject({
        result: { content: [{ text: "one" }] },
      });
      line.close();
    }
    await expect.poll(() => workersOf(program).length, { timeout: 20_000 }).toBe(2);
    const replacement = workersOf(program).find((pid) => !before.includes(pid))!;
    await expect
      .poll(
        async () => {
          const line = await Line.connect(program);
          opened.push(line);
          if (line.worker !== replacement) return line.close();
          return line.ask(endpoint, key, callTool("answer"), session);
        },
        { timeout: 20_000 },
      )
      .toMatchObject({ result: { content: [{ text: "one" }] } });
    expect(program.said()).toContain("a gateway process is gone; starting another");
  });
});

describe("kill -9 of the program", () => {
  it("leaves no gateway process, and its sessions survive the next start. [R:workers.program-killed]", async () => {
    const [first] = (await each()) as [Line];
    const session = await first.open(endpoint, program.owner.key);
    expect(workersOf(program)).toHaveLength(2);
    // Resolves when nothing that it had started is left.
    await program.kill();
    await program.start();
    const line = await Line.connect(program);
    expect(await line.ask(endpoint, program.owner.key, callTool("answer"), session)).toMatchObject({
      result: { content: [{ text: "one" }] },
    });
    line.close();
  });
});

describe("The port of workers", () => {
  it("is shared with no other program, not even one with workers of its own. [R:workers.port-taken]", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "offing-second-"));
    try {
      const port = new URL(program.url).port;
      const { code, said } = await up(["--port", port, "--data", dataDir, "--workers", "2"]);
      expect(said).toContain(`port ${port} on 127.0.0.1 is in use`);
      expect(code).toBe(1);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  it.each(["0", "-1", "two", "1.5", "33"])(
    "`--workers %s` is a usage error. [R:workers.usage]",
    async (n) => {
      const { code, said } = await up([`--workers=${n}`]);
      expect(said).toContain(`the number of workers must be a whole number from 1 to 32, not "${n}"`);
      expect(code).toBe(2);
    },
  );
});

describe("SIGTERM", () => {
  it("ends the program in time with exit code 0 while streams stand at each process. [R:workers.drained]", async () => {
    const { key } = program.owner;
    const lines = await each();
    const session = await lines[0]!.open(endpoint, key);
    const streams = await Promise.all(
      lines.map(async (line, n) => {
        const stream = await line.stream(endpoint, key, hold(`cut ${n}`), session);
        await stream.next(isProgress);
        return stream;
      }),
    );
    const follow = request(
      `${program.url}/api/v1/organizations/default/servers/shared/requests/follow?since=1h`,
      { headers: { authorization: `Bearer ${key}` } },
    );
    follow.on("error", () => {});
    follow.end();
    const [api] = await once(follow, "response");
    api.on("error", () => {});
    api.resume();
    const workers = workersOf(program);
    expect(await program.stop()).toBe(0);
    expect(workers.filter((pid) => isRunning(pid))).toEqual([]);
    await Promise.all(streams.map((stream) => stream.broken()));
    await program.start();
    const client = createClient({ url: program.url, key });
    const { items } = await client.call(
      "listRequests",
      { organization: "default", server: "shared" },
      { limit: 200 },
    );
    const cut = items.filter((item) => item.capability?.name === "hold" && item.session !== null);
    expect(cut.length).toBeGreaterThanOrEqual(2);
  });
});

/** Runs `up` to its end; for starts that fail. */
async function up(args: string[]): Promise<{ code: number | null; said: string }> {
  const main = join(import.meta.dirname, "../../src/main.ts");
  const child = spawn(process.execPath, [main, "up", "--no-example", ...args], {
    env: { ...process.env, OFFING_CACHE: testCache },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return false;
  }
}
