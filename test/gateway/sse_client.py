"""Calls a server over HTTP+SSE with the Python SDK's client. argv: URL, key. Prints one JSON object."""

import asyncio
import json
import sys

import mcp.types as types
from mcp import ClientSession
from mcp.client.sse import sse_client


async def main(url: str, key: str) -> None:
    told = []

    async def elicited(context, params):
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def progressed(at, total, message):
        told.append(at)

    async with sse_client(url, headers={"Authorization": f"Bearer {key}"}) as (reading, writing):
        async with ClientSession(reading, writing, elicitation_callback=elicited) as session:
            await session.initialize()

            async def text(name, **arguments):
                result = await session.call_tool(name, arguments, progress_callback=progressed)
                return result.content[0].text

            print(
                json.dumps(
                    {
                        "tools": sorted(tool.name for tool in (await session.list_tools()).tools),
                        "echo": await text("echo", text="ünï ☃ 😀"),
                        "count": await text("count", to=3),
                        "told": told,
                        "ask": await text("ask"),
                        "fail": await text("fail"),
                        "big": len(await text("big")),
                    }
                )
            )


asyncio.run(main(*sys.argv[1:]))
