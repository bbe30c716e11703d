"""A first MCP server: three small tools, a resource and a prompt."""

from datetime import datetime, timezone

from fastmcp import Context, FastMCP

mcp = FastMCP("Hello", instructions="A small server to try an MCP client with.")


@mcp.tool
def greet(name: str) -> str:
    """Greet someone by name."""
    return f"Hello, {name}!"


@mcp.tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@mcp.tool
async def count(ctx: Context) -> int:
    """Count the calls of this session."""
    calls = (await ctx.get_state("calls") or 0) + 1
    await ctx.set_state("calls", calls)
    return calls


@mcp.resource("hello://time")
def now() -> str:
    """The server's time, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@mcp.prompt
def welcome(name: str) -> str:
    """Ask for a warm welcome."""
    return f"Write a warm, short welcome for {name}."
