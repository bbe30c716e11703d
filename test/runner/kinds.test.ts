import { describe, expect, test } from "vitest";
import { environment } from "../fixtures/environments.ts";
import { call, fastmcp2, fastmcp3, fastmcp4, mcp1, mcpserver, rpc, startError, world } from "./harness.ts";

const decorated = (make: string, tool: string): string =>
  `${make}\n${tool}\ndef add(a: int, b: int) -> int:\n    return a + b\n`;

const lowlevel1 = (name = "server"): string => `import mcp.types as types
from mcp.server.lowlevel import Server
${name} = Server("low")
@${name}.list_tools()
async def tools():
    return [types.Tool(name="add", inputSchema={"type": "object"})]
@${name}.call_tool()
async def run(name, arguments):
    return [types.TextContent(type="text", text=str(arguments["a"] + arguments["b"]))]
`;

const lowlevel2 = `import mcp_types as types
from mcp.server.lowlevel import Server
async def tools(context, params):
    return types.ListToolsResult(tools=[types.Tool(name="add", input_schema={"type": "object"})])
async def run(context, params):
    a = params.arguments
    return types.CallToolResult(content=[types.TextContent(type="text", text=str(a["a"] + a["b"]))])
server = Server("low", on_list_tools=tools, on_call_tool=run)
`;

const fastmcp = decorated("from fastmcp import FastMCP\nmcp = FastMCP('x')", "@mcp.tool");
const sdkFastmcp = decorated("from mcp.server.fastmcp import FastMCP\nmcp = FastMCP('x')", "@mcp.tool()");

describe("A server is found by loading its file and looking at its classes", () => {
  test.each([
    ["FastMCP 2", fastmcp2, fastmcp, /^FastMCP 2\.\S+ server `mcp`, found by loading main\.py$/],
    ["FastMCP 3", fastmcp3, fastmcp, /^FastMCP 3\.\S+ server `mcp`, found by loading main\.py$/],
    ["FastMCP 4", fastmcp4, fastmcp, /^FastMCP 4\.\S+ server `mcp`, found by loading main\.py$/],
    [
      "the SDK's FastMCP",
      mcp1,
      sdkFastmcp,
      /^FastMCP server `mcp` of mcp 1\.\S+, found by loading main\.py$/,
    ],
    [
      "MCPServer",
      mcpserver,
      decorated("from mcp.server import MCPServer\nmcp = MCPServer('x')", "@mcp.tool()"),
      /^MCPServer `mcp` of mcp 2\.\S+, found by loading main\.py$/,
    ],
    [
      "a low-level server of SDK 1",
      mcp1,
      lowlevel1(),
      /^Low-level server `server` of mcp 1\.\S+, found by loading main\.py$/,
    ],
    [
      "a low-level server of SDK 2",
      mcpserver,
      lowlevel2,
      /^Low-level server `server` of mcp 2\.\S+, found by loading main\.py$/,
    ],
    [
      "an SDK without streamable HTTP, over stdio",
      ["mcp==1.2.0", "pydantic<2.11"],
      sdkFastmcp,
      /^FastMCP server `mcp` of mcp 1\.2\.0, found by loading main\.py and run on standard input and output, one process per session: mcp 1\.2\.0 has no streamable HTTP/,
    ],
  ])("%s is served and says how it was found", async (_, requirements, source, described) => {
    const { runner, deploy } = await world();
    const target = await deploy({
      files: { "main.py": source },
      environment: await environment(requirements),
    });
    const { address, description } = await runner.acquire(target);
    expect(description).toMatch(described);
    expect(await rpc(address, "tools/list", {})).toMatchObject({ tools: [{ name: "add" }] });
    expect(await call(address, "add", { a: 2, b: 3 })).toBe("5");
  });

  test("the only server of a file is served whatever its name, and two of other names are an error that names both entrypoints", async () => {
    const { runner, deploy } = await world();
    const env = await environment(mcp1);
    const one = await deploy({ files: { "main.py": lowlevel1("weather") }, environment: env });
    const lease = await runner.acquire(one);
    expect(lease.description).toContain("`weather`");
    expect(lease.description).toContain("the only server object in main.py");
    expect(await call(lease.address, "add", { a: 1, b: 1 })).toBe("2");
    const two = await deploy({
      files: { "main.py": lowlevel1("weather") + lowlevel1("tides") },
      environment: env,
    });
    const error = await startError(runner.acquire(two));
    expect(error.message).toBe(
      "main.py holds 2 servers, and none of them is named mcp, server or app: tides, weather.",
    );
    expect(error.hint).toContain("--entrypoint main.py:tides or --entrypoint main.py:weather");
  });

  test("relative and absolute imports of the entrypoint's own package work, also where its parent is not on the path", async () => {
    const { runner, deploy } = await world();
    const target = await deploy({
      entrypoint: "lib/tool/server.py",
      environment: await environment(mcp1),
      files: {
        "lib/tool/__init__.py": "VERSION = 'v'",
        "lib/tool/inner/__init__.py": "",
        "lib/tool/inner/words.py": "from ..beside import HERE\nWORD = HERE",
        "lib/tool/beside.py": "HERE = 'beside'",
        "lib/tool/server.py": `from . import VERSION
from .inner.words import WORD
import tool.beside, beside
from mcp.server.fastmcp import FastMCP
mcp = FastMCP("x")
@mcp.tool()
def where() -> str:
    return " ".join([VERSION, WORD, tool.beside.HERE, beside.HERE, __name__])
`,
      },
    });
    const { address } = await runner.acquire(target);
    expect(await call(address, "where")).toBe("v beside beside beside tool.server");
  });
});

describe("A file that starts its own server when it is imported is served all the same", () => {
  test.each([
    [
      "by mcp.run()",
      `${sdkFastmcp.replaceAll("mcp = ", "thing = ").replaceAll("@mcp", "@thing")}thing.run()\n`,
    ],
    [
      "by uvicorn",
      `${sdkFastmcp}import uvicorn\nuvicorn.run(mcp.streamable_http_app(), host="0.0.0.0", port=8000)\n`,
    ],
    [
      "by asyncio.run() of a low-level server that a function makes",
      `import asyncio\nfrom mcp.server.stdio import stdio_server\nasync def main():\n${lowlevel1().replaceAll(/^/gm, "    ")}
    async with stdio_server() as (r, w):
        await server.run(r, w, server.create_initialization_options())
asyncio.run(main())
`,
    ],
    [
      "in a thread",
      `${sdkFastmcp}import threading\nthreading.Thread(target=lambda: mcp.run(transport="sse")).start()\n`,
    ],
  ])("%s", async (_, source) => {
    const { runner, deploy } = await world({ startTimeoutMs: 15_000 });
    const target = await deploy({ files: { "main.py": source }, environment: await environment(mcp1) });
    const { address, description } = await runner.acquire(target);
    expect(await call(address, "add", { a: 2, b: 3 })).toBe("5");
    if (!source.includes("thread"))
      expect(description).toContain("starts its own server when it is imported");
  });
});

describe("Arguments", () => {
  const parsed = (extra: string): string => `import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--root", ${extra})
ROOT = parser.parse_args().root
from mcp.server.fastmcp import FastMCP
mcp = FastMCP("x")
@mcp.tool()
def root() -> str:
    return ROOT
`;

  test("of the project reach code that parses them at import, and defaults hold without them", async () => {
    const { runner, deploy } = await world();
    const env = await environment(mcp1);
    const files = { "main.py": parsed('default="here"') };
    const plain = await runner.acquire(await deploy({ files, environment: env }));
    expect(await call(plain.address, "root")).toBe("here");
    const given = await runner.acquire(await deploy({ files, environment: env, argv: ["--root", "there"] }));
    expect(await call(given.address, "root")).toBe("there");
  });

  test("that are required and missing are named, with where to give them", async () => {
    const { runner, deploy } = await world();
    const target = await deploy({
      files: { "main.py": parsed("required=True") },
      environment: await environment(mcp1),
    });
    const error = await startError(runner.acquire(target));
    expect(error.message).toMatch(/--root/);
    expect(error.hint).toMatch(/"deployment": \{"args"/);
  });
});

describe("What the entrypoint names", () => {
  test.each([
    [
      "a factory with required arguments",
      `${sdkFastmcp}def make(root, *, depth, extra=1):\n    return mcp\n`,
      "make",
      /^The factory make needs the arguments root, depth/,
      /defaults/,
    ],
    [
      "a web application",
      `${sdkFastmcp}web = mcp.streamable_http_app()\n`,
      "web",
      /^The entrypoint web gives a web application \(Starlette\), which is no MCP server/,
      /Name the server object itself/,
    ],
    [
      "a factory of a web application",
      `${sdkFastmcp}def make():\n    return mcp.streamable_http_app()\n`,
      "make",
      /^The factory make gives a web application/,
      /Name the server object itself/,
    ],
  ])("%s fails in words", async (_, source, object, message, hint) => {
    const { runner, deploy } = await world();
    const target = await deploy({
      object,
      files: { "main.py": source },
      environment: await environment(mcp1),
    });
    const error = await startError(runner.acquire(target));
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });
});

test("the lifespan of an SDK 1 server is entered once, before it is ready, and one that fails says why", async () => {
  const { runner, deploy, line, lines } = await world();
  const source = (body: string): string => `from contextlib import asynccontextmanager
@asynccontextmanager
async def life(server):
    ${body}
${sdkFastmcp.replace("FastMCP('x')", "FastMCP('x', lifespan=life)")}`;
  const env = await environment(mcp1);
  const good = await deploy({
    environment: env,
    files: { "main.py": source('print("opens")\n    yield 1\n    print("closes")') },
  });
  const { address } = await runner.acquire(good);
  await call(address, "add", { a: 1, b: 2 });
  await call(address, "add", { a: 1, b: 2 });
  await runner.retire(good);
  await line((l) => l.text === "closes");
  expect(lines.filter((l) => l.text === "opens")).toHaveLength(1);
  const bad = await deploy({
    environment: env,
    files: { "main.py": source('raise RuntimeError("no database")\n    yield') },
  });
  const error = await startError(runner.acquire(bad));
  expect(error.message).toMatch(/RuntimeError while starting the server \(its lifespan\): no database/);
});
