"""Calls tool `t`, cancels that when a line comes on stdin, and asks something else. argv: URL, key. Says that it went on."""

import sys

import anyio
import anyio.to_thread
import httpx2 as httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, key: str) -> None:
    http = httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60)
    async with http, streamable_http_client(url, http_client=http) as (reading, writing, *_):
        async with ClientSession(reading, writing) as session:
            await session.initialize()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.call_tool, "t", {})
                await anyio.to_thread.run_sync(sys.stdin.readline)
                tasks.cancel_scope.cancel()
            await session.send_ping()
            print("went on")


anyio.run(main, *sys.argv[1:])
