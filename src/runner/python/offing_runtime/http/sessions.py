"""Keeps a real session per id that the gateway chooses, whatever version of the MCP SDK serves.

A request with the header `offing-session` belongs to the session that its
`mcp-session-id` names. An unknown one is opened here, with the handshake that
the client once made, which the header repeats: base64url JSON of
`{protocolVersion, clientInfo, capabilities}`. A request without it is served
by itself.
"""

import asyncio
import base64
import contextlib
import json
import logging
import time
import uuid

from . import answers, headers
from .. import lines
from .. import hello as hellos
from .sdk import cancelling, named as _named

IDLE_SECONDS = 30 * 60
OPEN_SECONDS = 60
END_SECONDS = 5


class _Session:
    def __init__(self, name):
        self.name = name
        self.uses = 0
        self.used = time.monotonic()
        # Set where the server agreed to another revision than the client's.
        self.revision = None
        # The bodies of the requests that are being served.
        self.serving = []


class Refused(Exception):
    """A session that cannot be opened, with the HTTP status that tells it."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


class Sessions:
    """ASGI middleware in front of the server's own application."""

    def __init__(self, app, kept, path, most, idle_seconds=IDLE_SECONDS):
        self._app = app
        self._kept = kept
        self._path = path
        self._most = most
        self._idle_seconds = idle_seconds
        self._sessions = {}
        self._opening = {}
        self._sweeper = None
        self._headers = headers.Headers()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/mcp":
            await self._app(scope, receive, send)
            return
        hello, name, kept = self._headers.read(scope["headers"])
        scope = {**scope, "path": self._path, "raw_path": self._path.encode(), "headers": kept}
        if self._kept is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "DELETE" and hello is not None and name is not None:
            if name in self._sessions:
                await self._kept.cancel(name, self._sessions[name].serving)
            await self._end(name)
            await answers.empty(send, 204)
        elif hello is not None and name is not None:
            await self._in_session(name, hello, scope, receive, send)
        elif headers.modern(kept):
            await self._app(scope, receive, send)
        elif self._kept.ends_alone:
            await self._app(scope, *cancelling(receive, send))
        else:
            await self._alone(name, scope, receive, send)

    async def _in_session(self, name, hello, scope, receive, send):
        body = await answers.body_of(receive)
        if body is None:
            return
        if b'"initialize"' in body and answers.method_of(body) == "initialize":
            await self._initialize(name, scope, body, receive, send)
            return
        for attempt in (1, 2):
            try:
                session = self._sessions.get(name) or await self._opened(name, hello, scope)
            except Refused as refused:
                await answers.error(send, refused.status, body, refused.message)
                return
            gone = await self._pass(session, scope, body, receive, send, last=attempt == 2)
            if not gone:
                return
            # It has ended by itself, by its own idle time or by a fault; the gateway's lasts longer.
            self._sessions.pop(name, None)

    async def _pass(self, session, scope, body, receive, send, last):
        """Serves one request in its session. True: nothing was sent, since the session is no more."""
        spoken = scope["headers"]
        if session.revision is not None:
            spoken = headers.replaced(spoken, b"mcp-protocol-version", session.revision.encode())
        gone = False

        async def sending(message):
            nonlocal gone
            if message["type"] == "http.response.start" and not last:
                gone = message["status"] in (400, 404) and not self._kept.knows(session.name)
            if not gone:
                await send(message)

        token = _named.set(session.name)
        # A stream on which only the server speaks is no work: it keeps no session that has rested longest.
        work = 0 if scope["method"] == "GET" else 1
        session.uses += work
        session.serving.append(body)
        try:
            await self._app({**scope, "headers": spoken}, answers.replay(body, receive), sending)
        finally:
            session.uses -= work
            session.serving.remove(body)
            session.used = time.monotonic()
            _named.reset(token)
        return gone

    async def _initialize(self, name, scope, body, receive, send):
        """The client's own handshake: the server's answer goes to it, and the session stays."""
        if name in self._sessions:
            await self._end(name)
        try:
            await self._room()
        except Refused as refused:
            await answers.error(send, refused.status, body, refused.message)
            return
        answer = answers.Answer()

        async def sending(message):
            answer.heard(message)
            # Its client's next message may come before the server is done with this one.
            if name not in self._sessions and answer.result() is not None:
                self._keep(_Session(name))
            await send(message)

        unnamed = headers.without(scope["headers"], b"mcp-session-id")
        try:
            async with self._creating(name):
                await self._app({**scope, "headers": unnamed}, answers.replay(body, receive), sending)
        finally:
            if answer.result() is None:
                await self._forget(name)

    async def _opened(self, name, hello, scope):
        """The session, opened by a handshake of our own; all who wait for the same one share it."""
        opening = self._opening.get(name)
        if opening is None:
            opening = asyncio.ensure_future(self._open(name, hello, scope))
            self._opening[name] = opening
            opening.add_done_callback(lambda done: self._settled(name, done))
        return await asyncio.shield(opening)

    def _settled(self, name, opening):
        del self._opening[name]
        # Whoever waits is told; that nobody does is no fault.
        opening.cancelled() or opening.exception()

    async def _open(self, name, hello, scope):
        await self._room()
        try:
            params = hellos.read(hello)
        except ValueError:
            raise Refused(400, "The header offing-session cannot be read.") from None
        session = _Session(name)
        message = {"jsonrpc": "2.0", "id": "offing-handshake", "method": "initialize", "params": params}
        async with self._creating(name):
            asked = answers.ask(self._app, scope, message, without=(b"mcp-session-id", b"mcp-protocol-version"))
            try:
                answer = await asyncio.wait_for(asked, OPEN_SECONDS)
            except asyncio.TimeoutError:
                raise Refused(200, f"The server did not open its session again within {OPEN_SECONDS} seconds.") from None
            result = answer.result()
            if result is None:
                raise Refused(200, f"The server refused to open its session again: {answer.told()}")
            agreed = result.get("protocolVersion")
            if agreed != params["protocolVersion"]:
                session.revision = agreed
            ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            spoken = {b"mcp-protocol-version": str(agreed).encode(), b"mcp-session-id": name.encode()}
            await answers.ask(self._app, scope, ready, replaced=spoken)
        self._keep(session)
        return session

    @contextlib.asynccontextmanager
    async def _creating(self, name):
        """The tasks of a session outlive the request that opens it, and are not part of it."""
        token, printing = _named.set(name), lines.request.set(None)
        try:
            yield
        finally:
            _named.reset(token)
            lines.request.reset(printing)

    async def _alone(self, name, scope, receive, send):
        """A request that stands alone, where the SDK would keep what it made for it: in a session that ends with it."""
        body = await answers.body_of(receive)
        if body is None:
            return
        name = name or uuid.uuid4().hex
        try:
            if answers.method_of(body) == "initialize":
                await self._initialize(name, scope, body, receive, send)
                return
            hello = json.dumps(hellos.ALONE).encode()
            scope = {**scope, "headers": headers.replaced(scope["headers"], b"mcp-session-id", name.encode())}
            try:
                opened = await self._opened(name, base64.urlsafe_b64encode(hello), scope)
            except Refused as refused:
                await answers.error(send, refused.status, body, refused.message)
                return
            await self._pass(opened, scope, body, receive, send, last=True)
        finally:
            await self._end(name)

    def _keep(self, session):
        self._sessions[session.name] = session
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def _room(self):
        """Ends the session that has rested longest where there are too many."""
        # The one that is opening now is among those that are opening.
        while len(self._sessions) + max(0, len(self._opening) - 1) >= self._most:
            resting = [one for one in self._sessions.values() if one.uses == 0]
            if not resting:
                raise Refused(503, f"All {self._most} sessions of this instance are at work; try again in a moment.")
            await self._end(min(resting, key=lambda one: one.used).name)

    async def _sweep(self):
        while True:
            await asyncio.sleep(max(1, self._idle_seconds / 10))
            oldest = time.monotonic() - self._idle_seconds
            for session in list(self._sessions.values()):
                if session.uses == 0 and session.used < oldest:
                    await self._end(session.name)

    async def _end(self, name):
        if self._sessions.pop(name, None) is not None:
            await self._forget(name)

    async def _forget(self, name):
        try:
            await asyncio.wait_for(self._kept.end(name), END_SECONDS)
        except Exception:
            logging.getLogger("mcp").debug("a session did not end", exc_info=True)
