/** The code of the matrix's servers, as their authors would write it. */

/** Tools that every framework writes alike. \`tool\`, \`Context\` and \`mcp\` are there. */
const common = `
state = defaultdict(asyncio.Event)


@mcp.resource("note://watched")
def watched() -> str:
    return "watched"


@tool
def add(a: int, b: int) -> int:
    return a + b


@tool
async def count(to: int, ctx: Context) -> str:
    for i in range(to):
        await ctx.report_progress(i + 1, to)
    return f"counted to {to}"


@tool
async def hold(who: str) -> str:
    state[f"{who} holds"].set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        state[f"{who} is cancelled"].set()
        raise
    return "never"


@tool
async def wait(what: str) -> str:
    await state[what].wait()
    return what


@tool
def large() -> str:
    return "x" * 5_000_000
`;

/** Asks by requests; the SDK's session is behind \`ctx.session\`. */
const asking = (ctxElicit: string, data: string) => `
@tool
async def ask_elicitation(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", ${ctxElicit})
    return f"Hello, {answer.data${data}}"


@tool
async def ask_sampling(ctx: Context) -> str:
    question = SamplingMessage(role="user", content=TextContent(type="text", text="what?"))
    answer = await ctx.session.create_message(messages=[question], max_tokens=5)
    return f"thought: {answer.content.text}"


@tool
async def ask_roots(ctx: Context) -> str:
    return str((await ctx.session.list_roots()).roots[0].uri)
`;

/** Asks by \`InputRequiredResult\`. */
const answeringBack = `
SCHEMA = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}


@tool
async def back_elicitation(ctx: Context):
    if ctx.input_responses is None:
        params = ElicitRequestFormParams(message="Who are you?", requested_schema=SCHEMA)
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=params)})
    return f"Hello, {ctx.input_responses['who'].content['value']}"


@tool
async def back_sampling(ctx: Context):
    if ctx.input_responses is None:
        question = SamplingMessage(role="user", content=TextContent(type="text", text="what?"))
        params = CreateMessageRequestParams(messages=[question], max_tokens=5)
        return InputRequiredResult(input_requests={"thought": CreateMessageRequest(params=params)})
    return f"thought: {ctx.input_responses['thought'].content.text}"


@tool
async def back_roots(ctx: Context):
    if ctx.input_responses is None:
        return InputRequiredResult(input_requests={"roots": ListRootsRequest()})
    return str(ctx.input_responses["roots"].roots[0].uri)
`;

const types2 = `from mcp_types import (
    CreateMessageRequest, CreateMessageRequestParams, ElicitRequest, ElicitRequestFormParams,
    InputRequiredResult, ListRootsRequest, SamplingMessage, TextContent,
)
`;

const touching = `
@tool
async def touch(ctx: Context) -> str:
    await ctx.notify_resource_updated("note://watched")
    return "touched"
`;

const start = "import asyncio\nfrom collections import defaultdict\n\n";

export const fastmcp3 = `${start}from fastmcp import Context, FastMCP
from mcp.types import SamplingMessage, TextContent

mcp = FastMCP("fixture")
tool = mcp.tool
${common}${asking("response_type=str", "")}`;

export const fastmcp4 = `${start}from fastmcp import Context, FastMCP
from fastmcp_tasks import TasksExtension
${types2}
mcp = FastMCP("fixture")
mcp.add_extension(TasksExtension())
tool = mcp.tool
${common}${asking("response_type=str", "")}${answeringBack}

@mcp.tool(task=True)
async def slow(name: str) -> str:
    await asyncio.sleep(0.05)
    return f"done with {name}"
`;

export const mcpserver = `${start}from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel
${types2}

class Who(BaseModel):
    value: str


mcp = MCPServer("fixture")
tool = mcp.tool()
${common}${asking("schema=Who", ".value")}${answeringBack}${touching}`;

/** A low-level server of SDK 1, the one that can be subscribed to; it has to say so itself. */
export const lowlevel1 = `${start}import mcp.types as types
from anyio import ClosedResourceError
from mcp.server.lowlevel import Server


class Watched(Server):
    def get_capabilities(self, *args, **kwargs):
        capabilities = super().get_capabilities(*args, **kwargs)
        capabilities.resources.subscribe = True
        return capabilities


server = Watched("fixture")
subscribed = []
state = defaultdict(asyncio.Event)
NAMES = ["add", "count", "ask_elicitation", "ask_sampling", "ask_roots", "hold", "wait", "touch", "large"]
SCHEMA = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}


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
    elif name == "ask_elicitation":
        text = f"Hello, {(await session.elicit('Who are you?', SCHEMA, related_request_id=related)).content['value']}"
    elif name == "ask_sampling":
        question = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="what?"))
        answer = await session.create_message(messages=[question], max_tokens=5, related_request_id=related)
        text = f"thought: {answer.content.text}"
    elif name == "ask_roots":
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
        for other, uri in list(subscribed):
            try:
                await other.send_resource_updated(uri)
            except ClosedResourceError:
                subscribed.remove((other, uri))
        text = "touched"
    else:
        text = "x" * 5_000_000
    return [types.TextContent(type="text", text=text)]
`;
