"""Calls the fixture server with FastMCP's client. argv: URL, key. Prints one JSON object."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.auth import BearerAuth


async def main(url: str, key: str) -> None:
    async with Client(url, auth=BearerAuth(key)) as client:
        tools = await client.list_tools()
        total = await client.call_tool("add", {"a": 2, "b": 3})
        prompt = await client.get_prompt("greet", {"who": "you"})
        note = await client.read_resource("note://one")
        print(
            json.dumps(
                {
                    "tools": any(tool.name == "add" for tool in tools),
                    "sum": total.data,
                    "prompt": prompt.messages[0].content.text,
                    "note": note[0].text,
                }
            )
        )


asyncio.run(main(*sys.argv[1:]))
