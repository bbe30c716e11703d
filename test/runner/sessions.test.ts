import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { call, fastmcp2, fastmcp3, fastmcp4, mcp1, mcpserver, post, rpc, session, world } from "./harness.ts";

const body = `
class Panic(BaseException):
    pass
@tool
async def panic(ctx: Context) -> str:
    raise Panic("an extension panicked")
@tool
async def who(ctx: Context) -> str:
    params = ctx.session.client_params
    info = params and (getattr(params, "clientInfo", None) or getattr(params, "client_info", None))
    print("asked who")
    return info.name if info else "nobody"
@tool
async def ask(ctx: Context) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text="what?"))
    answer = await ctx.session.create_message(messages=[message], max_tokens=5)
    return answer.content.text
@tool
async def count(ctx: Context) -> str:
    await ctx.report_progress(1, 2)
    return "counted"
`;

const kinds = [
  ["FastMCP 2", fastmcp2, "from fastmcp import FastMCP, Context\nmcp = FastMCP('x')\ntool = mcp.tool\n"],
  ["FastMCP 3", fastmcp3, "from fastmcp import FastMCP, Context\nmcp = FastMCP('x')\ntool = mcp.tool\n"],
  ["FastMCP 4", fastmcp4, "from fastmcp import FastMCP, Context\nmcp = FastMCP('x')\ntool = mcp.tool\n"],
  [
    "the SDK's FastMCP",
    mcp1,
    "from mcp.server.fastmcp import FastMCP, Context\nmcp = FastMCP('x')\ntool = mcp.tool()\n",
  ],
  [
    "the oldest SDK with streamable HTTP",
    ["mcp==1.8.1", "pydantic<2.11"],
    "from mcp.server.fastmcp import FastMCP, Context\nmcp = FastMCP('x')\ntool = mcp.tool()\n",
  ],
  [
    "MCPServer",
    mcpserver,
    "from mcp.server.mcpserver import MCPServer, Context\nmcp = MCPServer('x')\ntool = mcp.tool()\n",
  ],
] as const;

const types = `try:
    from mcp_types import SamplingMessage, TextContent
except ImportError:
    from mcp.types import SamplingMessage, TextContent
`;

/** Calls a tool and answers what the server asks meanwhile; the methods that came, and the text. */
async function conversation(
  address: string,
  tool: string,
  headers: Record<string, string>,
): Promise<{ methods: string[]; text: string }> {
  const methods: string[] = [];
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath: address.slice("unix:".length),
        path: "/mcp",
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
      },
      (response) => {
        let rest = "";
        response.on("error", reject);
        response.on("data", (chunk: Buffer) => {
          const lines = (rest + chunk.toString()).split(/\r?\n/);
          rest = lines.pop()!;
          for (const line of lines) {
            if (!line.startsWith("data: {")) continue;
            const message = JSON.parse(line.slice(6)) as {
              id?: unknown;
              method?: string;
              result?: { content: { text: string }[] };
            };
            if (message.method === undefined) {
              resolve({ methods, text: message.result?.content[0]?.text ?? JSON.stringify(message) });
            } else {
              methods.push(message.method);
              if (message.id !== undefined) void respond(address, message.id, headers).catch(reject);
            }
          }
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(
      JSON.stringify({
        jsonrpc: "2.0",
        id: 9,
        method: "tools/call",
        params: { name: tool, arguments: {}, _meta: { progressToken: "t" } },
      }),
    );
  });
}

function respond(address: string, id: unknown, headers: Record<string, string>): Promise<number> {
  const result = { role: "assistant", model: "m", content: { type: "text", text: "the client's words" } };
  return post(address, { jsonrpc: "2.0", id, result }, headers);
}

describe.each(kinds)("A session with %s", (_, requirements, head) => {
  const served = async () => {
    const { runner, deploy, lines, line } = await world();
    const target = await deploy({
      files: { "main.py": types + head + body },
      environment: await environment(requirements),
    });
    const { address } = await runner.acquire(target);
    return { address, lines, line };
  };

  test("is opened by an instance that does not know it, with the client's own handshake, and is its own", async () => {
    const { address } = await served();
    expect(await call(address, "who", {}, session("a".repeat(32), "alice"))).toBe("alice");
    expect(await call(address, "who", {}, session("b".repeat(32), "bob"))).toBe("bob");
    expect(await call(address, "who", {}, session("a".repeat(32), "alice"))).toBe("alice");
    // The oldest SDK leaves tasks behind where there is no session, so that the platform opens one for the call.
    expect(await call(address, "who")).toMatch(/^(nobody|offing)$/);
  });

  test("carries the server's questions and progress on the call's own stream, and takes the client's answers", async () => {
    const { address } = await served();
    const one = session("a".repeat(32));
    expect(await conversation(address, "ask", one)).toEqual({
      methods: ["sampling/createMessage"],
      text: "the client's words",
    });
    expect(await conversation(address, "count", one)).toEqual({
      methods: ["notifications/progress"],
      text: "counted",
    });
  });

  test("begins with the client's own initialize, and ends with DELETE, after which it is opened anew", async () => {
    const { address } = await served();
    const one = session("a".repeat(32), "the header's");
    const params = {
      protocolVersion: "2025-06-18",
      clientInfo: { name: "its own", version: "1" },
      capabilities: {},
    };
    const hello = await rpc(address, "initialize", params, one);
    expect(hello).toMatchObject({ serverInfo: { name: "x" } });
    expect(await post(address, { jsonrpc: "2.0", method: "notifications/initialized" }, one)).toBe(202);
    expect(await call(address, "who", {}, one)).toBe("its own");
    expect(await post(address, null, one, "DELETE")).toBe(204);
    expect(await call(address, "who", {}, one)).toBe("the header's");
  });

  test("is opened with the client's earlier handshake where the server refused a later one", async () => {
    const { address } = await served();
    const one = session("a".repeat(32), "the header's");
    await post(address, { jsonrpc: "2.0", id: 1, method: "initialize", params: {} }, one);
    expect(await call(address, "who", {}, one)).toBe("the header's");
  });

  test("ends alone when its tool raises what is no Exception, and is opened anew; so does a call without one", async () => {
    const { address, line } = await served();
    const [one, two] = [session("a".repeat(32), "alice"), session("b".repeat(32), "bob")];
    await call(address, "who", {}, one);
    await call(address, "who", {}, two);
    const panic = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "panic", arguments: {} },
    };
    for (const headers of [one, {}]) {
      await post(address, panic, headers);
      expect(await call(address, "who", {}, one)).toBe("alice");
      expect(await call(address, "who", {}, two)).toBe("bob");
      expect(await call(address, "who")).toMatch(/^(nobody|offing)$/);
    }
    await line((l) => l.text.includes("an extension panicked"));
  });
});

test("A session of the oldest SDK that has ended by itself is opened anew", async () => {
  const [, requirements, head] = kinds[4];
  const { runner, deploy } = await world();
  const leave = "import asyncio\n@tool\nasync def leave() -> str:\n    raise asyncio.CancelledError()\n";
  const target = await deploy({
    files: { "main.py": types + head + body + leave },
    environment: await environment(requirements),
  });
  const { address } = await runner.acquire(target);
  const one = session("a".repeat(32), "alice");
  await post(address, { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "leave" } }, one);
  expect(await call(address, "who", {}, one)).toBe("alice");
});

test.each([kinds[3], kinds[5]])(
  "An instance of %s ends when what serves its sessions has ended",
  async (_, requirements, head) => {
    const { runner, deploy } = await world();
    const stop = `import asyncio
@tool
async def stop() -> str:
    for task in asyncio.all_tasks():
        if "LifespanOn" in repr(task.get_coro()):
            task.cancel()
    return "stopping"
`;
    const target = await deploy({
      files: { "main.py": types + head + body + stop },
      environment: await environment(requirements),
    });
    const { address, lost } = await runner.acquire(target);
    const over = new Promise((resolve) => lost.addEventListener("abort", resolve, { once: true }));
    void post(
      address,
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "stop" } },
      session("a".repeat(32)),
    ).catch(() => {});
    await over;
    expect(lost.reason).toMatchObject({ message: expect.stringContaining("exit code 1") });
  },
);

test.each([kinds[1], kinds[2]])(
  "Session state of %s is kept by the gateway's id, also when the session was opened anew",
  async (_, requirements) => {
    const { runner, deploy } = await world({ sessions: 2 });
    const target = await deploy({
      files: {
        "main.py": `from fastmcp import FastMCP, Context
mcp = FastMCP("x")
@mcp.tool
async def put(value: str, ctx: Context) -> str:
    await ctx.set_state("k", value)
    return ctx.session_id
@mcp.tool
async def get(ctx: Context) -> str:
    return str(await ctx.get_state("k"))
`,
      },
      environment: await environment(requirements),
    });
    const { address } = await runner.acquire(target);
    const ids = ["a", "b", "c"].map((letter) => letter.repeat(32));
    for (const id of ids) expect(await call(address, "put", { value: id[0] }, session(id))).toBe(id);
    // Three sessions, and room for two: each of these opens one and ends another.
    for (const id of ids) expect(await call(address, "get", {}, session(id))).toBe(id[0]);
    expect(await call(address, "get", {}, session("d".repeat(32)))).toBe("None");
  },
);

test("A session at work is not ended for a new one; when all are, the new one is refused in words", async () => {
  const { runner, deploy, line } = await world({ sessions: 2 });
  const target = await deploy({
    files: {
      "main.py": `import asyncio
from mcp.server.fastmcp import FastMCP
mcp = FastMCP("x")
gate = asyncio.Event()
@mcp.tool()
async def wait() -> str:
    print("waiting")
    await gate.wait()
    return "waited"
@mcp.tool()
async def free() -> str:
    gate.set()
    return "freed"
`,
    },
    environment: await environment(mcp1),
  });
  const { address } = await runner.acquire(target);
  let waiting = 0;
  const both = line((l) => l.text === "waiting" && ++waiting === 2);
  const calls = ["a", "b"].map((letter) => call(address, "wait", {}, session(letter.repeat(32))));
  await both;
  const refused = await rpc(address, "tools/call", { name: "free" }, session("c".repeat(32)));
  expect(refused).toMatchObject({
    status: 503,
    error: { message: "All 2 sessions of this instance are at work; try again in a moment." },
  });
  expect(await call(address, "free")).toBe("freed");
  expect(await Promise.all(calls)).toEqual(["waited", "waited"]);
  expect(await call(address, "free", {}, session("c".repeat(32)))).toBe("freed");
});

test("A handshake revision that the server's SDK does not know yet is spoken as the newest that it knows", async () => {
  const { runner, deploy } = await world();
  const target = await deploy({
    files: { "main.py": `${kinds[3][2]}@tool\ndef add(a: int, b: int) -> int:\n    return a + b\n` },
    environment: await environment(["mcp==1.12.4", "pydantic<2.11"]),
  });
  const { address } = await runner.acquire(target);
  expect(await call(address, "add", { a: 1, b: 2 }, { "mcp-protocol-version": "2025-11-25" })).toBe("3");
  expect(await call(address, "add", { a: 1, b: 2 }, session("a".repeat(32), "new", "2025-11-25"))).toBe("3");
});

test("What is printed in a session carries the id of the request that it was printed in", async () => {
  for (const [, requirements, head] of [kinds[3], kinds[5]]) {
    const { runner, deploy, line } = await world();
    const target = await deploy({
      files: { "main.py": types + head + body },
      environment: await environment(requirements),
    });
    const { address } = await runner.acquire(target);
    const one = session("a".repeat(32));
    await call(address, "count", {}, { ...one, "offing-request-id": "req_1" });
    await call(address, "who", {}, { ...one, "offing-request-id": "req_2" });
    expect(await line((l) => l.text === "asked who")).toMatchObject({ request: "req_2" });
  }
});
