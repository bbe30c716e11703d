/** One server per kind that Offing serves, each with the same tools, as its authors would write it. */

import { stdioProgram } from "../fixtures/stdio.ts";

export interface Kind {
  readonly name: string;
  readonly requirements: readonly string[];
  readonly source: string;
  readonly eras: readonly ("handshake" | "stateless")[];
  /** What two calls of different sessions share: nothing but what the process holds. */
  readonly stateOf: "session" | "process";
  readonly description: RegExp;
}

/** State that the author keys by the session's id, as a request's header has it. */
const byHeader = `
kept = {}
`;

const tools = `
try:
    from mcp_types import SamplingMessage, TextContent
except ImportError:
    from mcp.types import SamplingMessage, TextContent
@tool
async def ask(ctx: Context) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text="what?"))
    answer = await ctx.session.create_message(messages=[message], max_tokens=5)
    return answer.content.text
@tool
def add(a: int, b: int) -> int:
    return a + b
@tool
def echo(text: str) -> str:
    print("echoes", text)
    return text
@tool
def big() -> str:
    return "x" * 1000000
@tool
def fail() -> str:
    raise ValueError("it failed")
@tool
async def count(to: int, ctx: Context) -> str:
    for i in range(to):
        await ctx.report_progress(i + 1, to)
    return f"counted to {to}"
`;

const keyedByHeader = (header: string): string => `${byHeader}
@tool
async def remember(value: str, ctx: Context) -> str:
    kept[${header}] = value
    return "kept"
@tool
async def recall(ctx: Context) -> str:
    return str(kept.get(${header}))
`;

const keyedByFramework = `
@tool
async def remember(value: str, ctx: Context) -> str:
    await ctx.set_state("value", value)
    return "kept"
@tool
async def recall(ctx: Context) -> str:
    return str(await ctx.get_state("value"))
`;

const keyedBySession = (session: string): string => `
import weakref
kept = weakref.WeakKeyDictionary()
@tool
async def remember(value: str, ctx: Context) -> str:
    kept[${session}] = value
    return "kept"
@tool
async def recall(ctx: Context) -> str:
    return str(kept.get(${session}))
`;

const fastmcp = "from fastmcp import FastMCP, Context\nmcp = FastMCP('fixture')\ntool = mcp.tool\n";

/** A low-level server of SDK 1; \`server\` is made at the top level or in a function. */
const lowlevel1 = `import asyncio, weakref
import mcp.types as types
from mcp.server.lowlevel import Server
kept = weakref.WeakKeyDictionary()
NAMES = ["add", "ask", "echo", "big", "fail", "count", "remember", "recall"]
def make():
    server = Server("fixture")
    @server.list_tools()
    async def listed():
        return [types.Tool(name=name, inputSchema={"type": "object"}) for name in NAMES]
    @server.call_tool()
    async def called(name, a):
        context = server.request_context
        if name == "add": text = str(a["a"] + a["b"])
        elif name == "echo": text = a["text"]
        elif name == "big": text = "x" * 1000000
        elif name == "remember": kept[context.session], text = a["value"], "kept"
        elif name == "recall": text = str(kept.get(context.session))
        elif name == "ask":
            question = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="what?"))
            text = (await context.session.create_message(messages=[question], max_tokens=5)).content.text
        elif name == "count":
            for i in range(a["to"]):
                await context.session.send_progress_notification(context.meta.progressToken, i + 1, a["to"])
            text = f"counted to {a['to']}"
        else: raise ValueError("it failed")
        return [types.TextContent(type="text", text=text)]
    return server
`;

const lowlevel2 = `import mcp_types as types
from mcp.server.lowlevel import Server
kept = {}
NAMES = ["add", "ask", "echo", "big", "fail", "count", "remember", "recall"]
async def listed(context, params):
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in NAMES])
async def called(context, params):
    name, a = params.name, params.arguments or {}
    session = context.request.headers["mcp-session-id"]
    if name == "add": text = str(a["a"] + a["b"])
    elif name == "echo": text = a["text"]
    elif name == "big": text = "x" * 1000000
    elif name == "remember": kept[session], text = a["value"], "kept"
    elif name == "recall": text = str(kept.get(session))
    elif name == "ask":
        question = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="what?"))
        text = (await context.session.create_message(messages=[question], max_tokens=5)).content.text
    elif name == "count":
        for i in range(a["to"]):
            await context.session.report_progress(i + 1, a["to"])
        text = f"counted to {a['to']}"
    else:
        return types.CallToolResult(content=[types.TextContent(type="text", text="it failed")], is_error=True)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])
server = Server("fixture", on_list_tools=listed, on_call_tool=called)
`;

/** The raw program, with the matrix's own names for what it can. */
const raw = stdioProgram
  .replace('    if name == "count":', '    if name == "tally":')
  .replace(
    '    elif name == "progress":\n        for i in range(3):',
    '    elif name == "count":\n        for i in range(a["to"]):',
  )
  .replace('        text(message, "counted")', "        text(message, f\"counted to {a['to']}\")")
  .replace(
    '    elif name == "echo":',
    `    elif name == "add":
        text(message, str(a["a"] + a["b"]))
    elif name == "remember":
        state["value"] = a["value"]
        text(message, "kept")
    elif name == "recall":
        text(message, str(state.get("value")))
    elif name == "fail":
        content = [{"type": "text", "text": "it failed"}]
        out({"jsonrpc": "2.0", "id": message["id"], "result": {"content": content, "isError": True}})
    elif name == "echo":`,
  )
  .replace('TOOLS = ["count"', 'TOOLS = ["add", "remember", "recall", "fail", "count"');

const both = ["stateless", "handshake"] as const;
const handshake = ["handshake"] as const;

export const kinds: readonly Kind[] = [
  {
    name: "FastMCP 2",
    requirements: ["fastmcp>=2,<3"],
    source: fastmcp + tools + keyedBySession("ctx.session"),
    eras: handshake,
    stateOf: "session",
    description: /^FastMCP 2\./,
  },
  {
    name: "FastMCP 3",
    requirements: ["fastmcp>=3,<4"],
    source: fastmcp + tools + keyedByFramework,
    eras: handshake,
    stateOf: "session",
    description: /^FastMCP 3\./,
  },
  {
    name: "FastMCP 4",
    requirements: ["fastmcp>=4,<5"],
    source: fastmcp + tools + keyedByFramework,
    eras: both,
    stateOf: "session",
    description: /^FastMCP 4\./,
  },
  {
    name: "the SDK's FastMCP",
    requirements: ["mcp>=1,<2"],
    source: `from mcp.server.fastmcp import FastMCP, Context\nmcp = FastMCP('fixture')\ntool = mcp.tool()\n${tools}${keyedBySession("ctx.session")}`,
    eras: handshake,
    stateOf: "session",
    description: /^FastMCP server `mcp` of mcp 1\./,
  },
  {
    name: "MCPServer",
    requirements: ["mcp>=2,<3", "uvicorn"],
    source: `from mcp.server.mcpserver import MCPServer, Context\nmcp = MCPServer('fixture')\ntool = mcp.tool()\n${tools}${keyedByHeader('ctx.headers["mcp-session-id"]')}`,
    eras: both,
    stateOf: "session",
    description: /^MCPServer `mcp` of mcp 2\./,
  },
  {
    name: "a low-level server of SDK 1",
    requirements: ["mcp>=1,<2"],
    source: `${lowlevel1}server = make()\n`,
    eras: handshake,
    stateOf: "session",
    description: /^Low-level server `server` of mcp 1\./,
  },
  {
    name: "a low-level server of SDK 2",
    requirements: ["mcp>=2,<3", "uvicorn"],
    source: lowlevel2,
    eras: both,
    stateOf: "session",
    description: /^Low-level server `server` of mcp 2\./,
  },
  {
    name: "a program on stdio that makes its server in main()",
    requirements: ["mcp>=1,<2"],
    source: `${lowlevel1}async def main():
    from mcp.server.stdio import stdio_server
    server = make()
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
if __name__ == "__main__":
    asyncio.run(main())
`,
    eras: handshake,
    stateOf: "process",
    description: /^Program `main\.py`/,
  },
  {
    name: "a program on stdio without any SDK",
    requirements: [],
    source: raw,
    eras: handshake,
    stateOf: "process",
    description: /^Program `main\.py`/,
  },
];
