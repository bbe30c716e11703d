"""Carries what the gateway posts to the child that it belongs to, and the child's answers back."""

import asyncio
import json

from .. import hello
from .pool import Full

PARSE, INVALID, NO_METHOD, FAILED = -32700, -32600, -32601, -32000


class Requests:
    def __init__(self, pool):
        self._pool = pool
        self._under_way = set()

    async def handle(self, request, answer):
        if request.method == "GET":
            # Nothing is waited for that only listens.
            await self._handle(request, answer)
            return
        task = asyncio.current_task()
        self._under_way.add(task)
        try:
            await self._handle(request, answer)
        finally:
            self._under_way.discard(task)

    async def finished(self, seconds):
        """Waits until no request is under way, but not for long."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=seconds)

    async def _handle(self, request, answer):
        if request.path.split("?")[0] != "/mcp":
            await answer.empty(404)
            return
        name = request.headers.get("mcp-session-id")
        told = request.headers.get("offing-session") if name else None
        if request.method == "DELETE" and told:
            await self._pool.end(name)
            await answer.empty(204)
            return
        if request.method == "GET" and told:
            await self._stand(name, answer)
            return
        if request.method != "POST":
            await answer.empty(405)
            return
        try:
            message = json.loads(request.body)
        except (ValueError, RecursionError):
            await answer.json(400, _error(None, PARSE, "The body is not JSON that can be read."))
            return
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            await answer.json(400, _error(None, INVALID, "The body is not a JSON-RPC message."))
            return
        try:
            if told:
                await self._in_session(name, told, message, answer)
            else:
                await self._alone(request, message, answer)
        except Full as full:
            await answer.json(503, _error(message.get("id"), FAILED, str(full)))
        except self._pool.Ended as ended:
            text = f"The program was started for this call, but {ended.how}. The server's log has its last lines."
            await answer.json(200, _error(message.get("id"), FAILED, text))

    async def _in_session(self, name, told, message, answer):
        method = message.get("method")
        if method == "initialize" and "id" in message:
            async with self._pool.begin(name) as child:
                final = await self._carry(child, message, answer, held=True)
            if final is None or "result" not in final:
                await self._pool.end(name)
            return
        try:
            params = hello.read(told)
        except ValueError:
            await answer.json(400, _error(message.get("id"), INVALID, "The header offing-session cannot be read."))
            return
        async with self._pool.session(name, params) as child:
            if method is None:
                await child.respond(message)
                await answer.empty(202)
            elif "id" not in message:
                # A child that was given the handshake by us was told this already.
                if method != "notifications/initialized" or child.hello is None:
                    await child.send(message)
                await answer.empty(202)
            else:
                await self._carry(child, message, answer, held=True)

    async def _stand(self, name, answer):
        """The stream on which a session's child speaks first. None is started for it, and none is kept awake."""
        child = self._pool.running(name)
        standing = child and child.stand()
        if standing is None:
            await answer.empty(409 if child else 503)
            return
        try:
            await answer.begin()
            while (message := await standing.take()) is not None:
                await answer.event(message)
        finally:
            child.unstand()

    async def _alone(self, request, message, answer):
        method, number = message.get("method"), message.get("id")
        if method is None or "id" not in message:
            await answer.empty(202)
        elif request.headers.get("mcp-protocol-version", "") >= "2026":
            await answer.json(400, _error(number, INVALID, "This program speaks the handshake revisions of MCP only."))
        elif method == "ping":
            await answer.json(200, {"jsonrpc": "2.0", "id": number, "result": {}})
        else:
            async with self._pool.shared() as child:
                if method == "initialize":
                    await answer.json(200, {"jsonrpc": "2.0", "id": number, "result": child.hello})
                else:
                    await self._carry(child, message, answer, held=False)

    async def _carry(self, child, message, answer, held):
        """
        Sends a request and passes on what comes; the response is returned. A
        client that leaves cancels its call where it stands alone; in a session
        (`held`) leaving is no cancelling.
        """
        try:
            call = child.open(message)
        except KeyError:
            text = "A request with the same id is under way in this session."
            await answer.json(400, _error(message["id"], INVALID, text))
            return None
        streaming = False
        try:
            await child.ask(call)
            while True:
                said = await call.take()
                if "method" not in said:
                    await (answer.event(said) if streaming else answer.json(200, said))
                    return said
                streaming = True
                await answer.event(said)
        except BaseException:
            if held:
                child.leave(call)
            else:
                child.cancel(call, "the client left")
            raise


def _error(number, code, message):
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
