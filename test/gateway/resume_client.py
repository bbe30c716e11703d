"""Makes one call with the Python SDK's client. argv: URL, key, tool, arguments as JSON. Prints the text of its result."""

import asyncio
import json
import sys

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, key: str, tool: str, arguments: str) -> None:
    http = httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60)
    async with http, streamable_http_client(url, http_client=http) as (reading, writing, *_):
        async with ClientSession(reading, writing) as session:
            await session.initialize()
            result = await session.call_tool(tool, json.loads(arguments))
            print(result.content[0].text)


asyncio.run(main(*sys.argv[1:]))
