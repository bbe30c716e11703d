"""The ASGI application of each kind of server: streamable HTTP at /mcp, with sessions where the gateway names one."""

import contextlib
import inspect

from . import keyed, sdk, sessions
from ..entry.kinds import lowlevel_of, versions

PATH = "/mcp"


class NoHttp(Exception):
    """The installed version of the framework cannot serve over HTTP."""


class Served:
    """`app`: ASGI. `lifespan`: None, or a context manager to enter once before it. `note`: what to tell of it."""

    def __init__(self, app, lifespan, note):
        self.app = app
        self.lifespan = lifespan
        self.note = note


def of(kind, server, most):
    """The application for a server object, which keeps at most `most` sessions. Raises NoHttp."""
    try:
        from mcp.server import streamable_http_manager
    except ImportError:
        raise NoHttp(f"mcp {versions()['mcp']} has no streamable HTTP, it came with 1.8") from None
    kept = sdk.prepare(streamable_http_manager)
    keyed.keep(kind, server)
    low = lowlevel_of(kind, server)
    if kind == "fastmcp" and hasattr(server, "http_app"):
        app = server.http_app(**_known(server.http_app, path=PATH, stateless_http=False, json_response=False))
    elif kind == "mcpserver":
        # A host of its own would bring a check of the Host header that no socket path passes.
        app = server.streamable_http_app(streamable_http_path=PATH, json_response=False, host="0.0.0.0")
    elif kind == "sdk-fastmcp" and hasattr(server, "streamable_http_app"):
        settings = server.settings
        for name, value in (("streamable_http_path", PATH), ("json_response", False), ("transport_security", None)):
            if hasattr(settings, name):
                setattr(settings, name, value)
        if hasattr(server, "_session_manager"):
            # The author's own code may have made one already, with other settings; it would be taken again.
            server._session_manager = None
        app = server.streamable_http_app()
    elif low is not None:
        app = Bare(streamable_http_manager.StreamableHTTPSessionManager(app=low, json_response=False))
    else:
        raise NoHttp(f"fastmcp {versions()['fastmcp']} cannot serve over HTTP")
    # Old versions mount their path, and answer the path itself with a redirect.
    mounted = any(type(route).__name__ == "Mount" and route.path == PATH for route in getattr(app, "routes", ()))
    note = None
    if kept is None:
        note = "this version of mcp keeps no sessions that the platform can name, so each call stands alone"
    middleware = sessions.Sessions(app, kept, PATH + "/" if mounted else PATH, most)
    return Served(middleware, _once(low) if _per_session(kind, server, low) else None, note)


def _known(function, **given):
    """Those arguments that this version of the function takes."""
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in given.items() if name in parameters}


def _per_session(kind, server, low):
    """Whether this version enters the author's lifespan anew for every session, and for every request without one."""
    if low is None or not callable(getattr(low, "lifespan", None)) or hasattr(server, "_lifespan_manager"):
        return False
    return (versions()["mcp"] or "").split(".")[0] == "1"


@contextlib.asynccontextmanager
async def _once(low):
    """Enters the lifespan once for the process, as a program on stdio does, and gives its state to every session."""
    real = low.lifespan
    async with real(low) as state:
        low.lifespan = lambda _: contextlib.nullcontext(state)
        try:
            yield
        finally:
            low.lifespan = real


class Bare:
    """The application of a low-level server: its session manager, and nothing around it."""

    def __init__(self, manager):
        self._manager = manager

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            if scope["path"] != PATH:
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            else:
                await self._manager.handle_request(scope, receive, send)

    async def _lifespan(self, receive, send):
        await receive()
        async with self._manager.run():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


class Startup:
    """
    ASGI middleware: enters the server's lifespan where nothing else does, and
    keeps the exception it failed with. `lost()` is called when it ends without
    being told to: with it went what serves the requests.
    """

    def __init__(self, app, lifespan, lost):
        self._app = app
        self._lifespan = lifespan
        self._lost = lost
        self.error = None

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        told = False

        async def receiving():
            nonlocal told
            message = await receive()
            told = told or message["type"] == "lifespan.shutdown"
            return message

        try:
            async with self._lifespan or contextlib.nullcontext():
                await self._app(scope, receiving, send)
        except BaseException as error:
            self.error = error
            raise
        finally:
            if not told:
                self._lost()
