"""A server that speaks only HTTP+SSE, served by FastMCP on a loopback port as its author would.

Says its port on stdout, and a line for everything else that a test waits for.
"""

import asyncio
import socket

import anyio
import uvicorn
from fastmcp import Context, FastMCP
from mcp.server.session import ServerSession

mcp = FastMCP("older", instructions="Be kind.")
state = {}
sessions = []
begin = ServerSession.__init__


def noted(self, *args, **kwargs):
    sessions.append(self)
    begin(self, *args, **kwargs)


ServerSession.__init__ = noted


@mcp.tool
def add(a: int, b: int) -> int:
    return a + b


@mcp.tool
def echo(text: str) -> str:
    return text


@mcp.tool
async def work(steps: int, ctx: Context) -> str:
    for step in range(steps):
        await ctx.report_progress(step + 1, steps)
    return f"did {steps}"


@mcp.tool
async def elicits(ctx: Context) -> str:
    return (await ctx.elicit("Who are you?", response_type=str)).data


@mcp.tool
async def samples(ctx: Context) -> str:
    return (await ctx.sample("what?")).text


@mcp.tool
async def hold() -> str:
    print("held", flush=True)
    try:
        await asyncio.sleep(600)
        return "over"
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise


@mcp.tool
async def together(name: str, parties: int) -> str:
    """Waits until as many calls as that are here at once."""
    state.setdefault("here", []).append(name)
    while len(state["here"]) < parties:
        await asyncio.sleep(0.01)
    return name


@mcp.tool
async def logs(name: str, parties: int, ctx: Context) -> str:
    """Says its name in the log while as many calls as that are here at once."""
    here = state.setdefault("logging", [])
    here.append(name)
    while len(here) < parties:
        await asyncio.sleep(0.01)
    await ctx.info(name)
    here.append(name)
    while len(here) < 2 * parties:
        await asyncio.sleep(0.01)
    return name


@mcp.tool
def keep(value: str, ctx: Context) -> str:
    state[ctx.session_id] = value
    return "kept"


@mcp.tool
def kept(ctx: Context) -> str:
    return str(state.get(ctx.session_id))


@mcp.tool
async def grow() -> str:
    """Tells every session that there is another tool."""

    @mcp.tool
    def grown() -> str:
        return "grown"

    for session in sessions:
        try:
            await session.send_tool_list_changed()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
    return "grew"


@mcp.prompt
def greet(who: str) -> str:
    return f"Greet {who}"


@mcp.resource("note://one")
def note() -> str:
    return "one"


if __name__ == "__main__":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(mcp.http_app(transport="sse", path="/sse"), log_level="warning")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
