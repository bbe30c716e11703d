/** Servers for the matrix of eras: each offers the same in the words of its era. */

export interface EraServer {
  readonly name: string;
  readonly requirements: readonly string[];
  readonly source: string;
  /** In which eras the gateway may speak to it. */
  readonly eras: readonly ("handshake" | "stateless")[];
}

/** Asks by requests of its own, while a call lasts. */
const lowlevel = `import asyncio
from collections import defaultdict

import mcp.types as types
from mcp.server.lowlevel import Server

server = Server("fixture")
subscribed = []
state = defaultdict(asyncio.Event)
NAMES = ["add", "count", "ask", "think", "where", "hold", "wait", "touch", "large"]
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@server.list_tools()
async def tools():
    return [types.Tool(name=name, inputSchema={"type": "object"}) for name in NAMES]


@server.list_resources()
async def resources():
    return [types.Resource(uri="note://watched", name="watched")]


@server.read_resource()
async def read(uri):
    return "watched"


@server.subscribe_resource()
async def subscribe(uri):
    subscribed.append((server.request_context.session, uri))


@server.unsubscribe_resource()
async def unsubscribe(uri):
    subscribed[:] = [(session, other) for session, other in subscribed if other != uri]


@server.call_tool()
async def call(name, a):
    context = server.request_context
    session, related = context.session, context.request_id
    if name == "add":
        text = str(a["a"] + a["b"])
    elif name == "count":
        for i in range(a["to"]):
            await session.send_progress_notification(context.meta.progressToken, i + 1, a["to"], related_request_id=related)
        text = f"counted to {a['to']}"
    elif name == "ask":
        answer = await session.elicit("Who are you?", SCHEMA, related_request_id=related)
        text = f"Hello, {answer.content['name']}" if answer.action == "accept" else answer.action
    elif name == "think":
        question = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="what?"))
        answer = await session.create_message(messages=[question], max_tokens=5, related_request_id=related)
        text = f"thought: {answer.content.text}"
    elif name == "where":
        text = str((await session.list_roots()).roots[0].uri)
    elif name == "hold":
        state[f"{a['who']} holds"].set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            state[f"{a['who']} is cancelled"].set()
            raise
        text = "never"
    elif name == "wait":
        await state[a["what"]].wait()
        text = a["what"]
    elif name == "touch":
        for other, uri in subscribed:
            await other.send_resource_updated(uri)
        text = "touched"
    else:
        text = "x" * 5_000_000
    return [types.TextContent(type="text", text=text)]
`;

/** Asks by results that are not complete. */
const mcpserver = `import asyncio
from collections import defaultdict

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CreateMessageRequest, CreateMessageRequestParams, ElicitRequest, ElicitRequestFormParams,
    InputRequiredResult, ListRootsRequest, SamplingMessage, TextContent,
)

mcp = MCPServer("fixture")
state = defaultdict(asyncio.Event)
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@mcp.resource("note://watched")
def watched() -> str:
    return "watched"


@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b


@mcp.tool()
async def count(to: int, ctx: Context) -> str:
    for i in range(to):
        await ctx.report_progress(i + 1, to)
    return f"counted to {to}"


@mcp.tool()
async def ask(ctx: Context):
    if ctx.input_responses is None:
        params = ElicitRequestFormParams(message="Who are you?", requested_schema=SCHEMA)
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=params)}, request_state="asked")
    answer = ctx.input_responses["who"]
    return f"Hello, {answer.content['name']}" if answer.action == "accept" and ctx.request_state == "asked" else answer.action


@mcp.tool()
async def think(ctx: Context):
    if ctx.input_responses is None:
        question = SamplingMessage(role="user", content=TextContent(type="text", text="what?"))
        params = CreateMessageRequestParams(messages=[question], max_tokens=5)
        return InputRequiredResult(input_requests={"thought": CreateMessageRequest(params=params)})
    return f"thought: {ctx.input_responses['thought'].content.text}"


@mcp.tool()
async def where(ctx: Context):
    if ctx.input_responses is None:
        return InputRequiredResult(input_requests={"roots": ListRootsRequest()})
    return str(ctx.input_responses["roots"].roots[0].uri)


@mcp.tool()
async def hold(who: str) -> str:
    state[f"{who} holds"].set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        state[f"{who} is cancelled"].set()
        raise
    return "never"


@mcp.tool()
async def wait(what: str) -> str:
    await state[what].wait()
    return what


@mcp.tool()
async def touch(ctx: Context) -> str:
    await ctx.notify_resource_updated("note://watched")
    return "touched"


@mcp.tool()
def large() -> str:
    return "x" * 5_000_000
`;

export const eraServers: readonly EraServer[] = [
  {
    name: "a handshake server (SDK 1)",
    requirements: ["mcp>=1,<2"],
    source: lowlevel,
    eras: ["handshake"],
  },
  {
    name: "a stateless server (SDK 2)",
    requirements: ["mcp>=2,<3", "uvicorn"],
    source: mcpserver,
    eras: ["stateless"],
  },
];

/** A server of FastMCP 4: one tool works in the handshake era only, the other in the stateless era only. */
export const dualServer = {
  requirements: ["fastmcp>=4,<5"],
  source: `from fastmcp import Context, FastMCP
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

mcp = FastMCP("fixture")
SCHEMA = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}


@mcp.tool
async def elicits(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", response_type=str)
    return f"Hello, {answer.data}"


@mcp.tool
async def returns(ctx: Context):
    if ctx.input_responses is None:
        params = ElicitRequestFormParams(message="Who are you?", requested_schema=SCHEMA)
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=params)}, request_state="asked")
    return f"Hello, {ctx.input_responses['who'].content['value']}" if ctx.request_state == "asked" else "Who?"


@mcp.tool
def add(a: int, b: int) -> int:
    return a + b
`,
} as const;
