"""Makes servers speak on standard input and output, whatever transport their program would choose."""

import asyncio
import functools
import inspect

from . import hooks

_OTHERS = ("run_http_async", "run_sse_async", "run_streamable_http_async")


def force():
    """Changes the frameworks as they are imported: a program that would open a port serves the bridge instead."""
    hooks.after_import({
        "fastmcp.server.server": lambda module: _change(module.FastMCP),
        "mcp.server.fastmcp.server": lambda module: _change(module.FastMCP),
        "mcp.server.mcpserver.server": lambda module: _change(module.MCPServer),
    })


def _change(owner):
    for name in ("run", "run_async"):
        if hasattr(owner, name):
            setattr(owner, name, _on_stdio(getattr(owner, name)))
    for name in _OTHERS:
        if hasattr(owner, name):
            setattr(owner, name, _instead)


def _on_stdio(original):
    takes_banner = "show_banner" in inspect.signature(original).parameters

    @functools.wraps(original)
    def run(self, *_, **__):
        return original(self, transport="stdio", **({"show_banner": False} if takes_banner else {}))

    return run


async def _instead(self, *_, **__):
    await self.run_stdio_async()


def run_object(config):
    """Loads the server object and runs it."""
    from . import factory, load

    found = load.load(config)
    kind, server = asyncio.run(factory.resolved(found, config["code"]))
    if kind == "lowlevel":
        asyncio.run(_lowlevel(server))
    else:
        server.run(transport="stdio")


async def _lowlevel(server):
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
