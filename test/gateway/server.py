"""A server for the gateway's tests, served on a unix socket or a loopback port by whatever framework its environment has.

argv: socket path, or "tcp" for a free port. Says "ready" on stdout, with the port where there is one. Environment: FRAMEWORK is fastmcp or mcpserver.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import uvicorn

if os.environ["FRAMEWORK"] == "fastmcp":
    from fastmcp import Context, FastMCP
    from fastmcp.server.dependencies import get_http_headers

    server = FastMCP("fixture", instructions="Be kind.")

    @server.tool
    async def remember(value: str, ctx: Context) -> str:
        await ctx.set_state("value", value)
        return "kept"

    @server.tool
    async def recall(ctx: Context) -> str:
        return str(await ctx.get_state("value"))

    @server.tool
    def headers() -> str:
        return json.dumps(get_http_headers(include_all=True))

    app = lambda: server.http_app(path="/mcp", stateless_http=True)
else:
    from mcp.server.mcpserver import Context, MCPServer

    server = MCPServer("fixture", instructions="Be kind.")
    app = lambda: server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True)


tool = server.tool if os.environ["FRAMEWORK"] == "fastmcp" else server.tool()


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@tool
def fail() -> str:
    raise ValueError("it failed")


@tool
async def count(to: int, ctx: Context) -> str:
    """Reports progress, and says a word at two levels."""
    for i in range(to):
        await ctx.report_progress(i + 1, to)
    if os.environ["FRAMEWORK"] == "fastmcp":
        await ctx.debug("quiet word")
        await ctx.error("loud word")
    return f"counted to {to}"


@tool
async def hold(folder: str) -> str:
    """Tells that it began, works until released, tells how it ended."""
    place = Path(folder)
    (place / "began").write_text("")
    try:
        while not (place / "release").exists():
            await asyncio.sleep(0.01)
        (place / "finished").write_text("")
        return "held"
    except asyncio.CancelledError:
        (place / "cancelled").write_text("")
        raise


resource = server.resource


@resource("note://one")
def note() -> str:
    return "one"


@resource("note://{name}/by-name")
def named(name: str) -> str:
    return name


prompt = server.prompt if os.environ["FRAMEWORK"] == "fastmcp" else server.prompt()


@prompt
def greet(who: str) -> str:
    return f"Greet {who}"


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1] if tcp else ""
        print(f"ready {port}".strip(), flush=True)


tcp = sys.argv[1] == "tcp"
place = {"host": "127.0.0.1", "port": 0} if tcp else {"uds": sys.argv[1]}
Server(uvicorn.Config(app(), **place, log_level="warning", timeout_keep_alive=60)).run()
