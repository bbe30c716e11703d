"""Turns a loaded object into an ASGI application and serves it on the inherited socket."""

import asyncio
import gc
import inspect
import logging
import socket

from . import lines, load

LISTEN_FD = 6
GRACE_SECONDS = 2


async def resolved(found, code):
    """Calls a factory, synchronous or not. The kind of the server and the server."""
    kind = load.kind_of(found)
    if kind is None and callable(found):
        try:
            made = found()
            found = await made if inspect.isawaitable(made) else made
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            raise load.explain(error, code, "calling the factory") from None
        kind = load.kind_of(found)
    if kind in ("fastmcp", "mcpserver"):
        return kind, found
    if kind is not None:
        raise load.unsupported(kind, "The entrypoint")
    raise load.Failure(
        f"The entrypoint gives a {type(found).__name__}, which is no MCP server.",
        "Name a FastMCP or MCPServer object, or a function without arguments that returns one.",
    )


def application(kind, server):
    # Stateless: the platform keeps the sessions, and a session id that it sends keeps keying the server's state.
    if kind == "fastmcp":
        return server.http_app(path="/mcp", stateless_http=True)
    # A host of its own would bring a check of the Host header that no socket path passes.
    return server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True, host="0.0.0.0")


class Startup:
    """ASGI middleware: keeps the exception with which the server's lifespan failed."""

    def __init__(self, app):
        self._app = app
        self.error = None

    async def __call__(self, scope, receive, send):
        try:
            await self._app(scope, receive, send)
        except BaseException as error:
            if scope["type"] == "lifespan":
                self.error = error
            raise


async def serve(found, channel, code):
    kind, server = await resolved(found, code)
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise load.Failure(
            "The environment of the server has no uvicorn.",
            f"Add uvicorn to {load.dependency_file(code)} and deploy again.",
        ) from None
    try:
        app = Startup(lines.RequestLines(application(kind, server)))
    except Exception as error:
        raise load.explain(error, code, "making the server's HTTP application") from None

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            gc.freeze()
            gc.enable()
            if self.started and not self.should_exit:
                channel.send({"ready": {"kind": kind, "versions": load.versions()}})

    web = Server(
        uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=75,
        )
    )
    for chatty in ("mcp.server.streamable_http", "mcp.server.streamable_http_manager"):
        # At every stateless request they say that its session begins and ends.
        if logging.getLogger(chatty).level == logging.NOTSET:
            logging.getLogger(chatty).setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    channel.watch(lambda: loop.call_soon_threadsafe(setattr, web, "should_exit", True))
    try:
        await web.serve(sockets=[socket.socket(fileno=LISTEN_FD)])
    except SystemExit:
        # So uvicorn ends when the lifespan failed.
        pass
    if not web.started:
        if app.error is not None:
            raise load.explain(app.error, code, "starting the server (its lifespan)")
        raise load.Failure("The server's lifespan ended before it had started.")


def run(found, channel, code):
    """Serves until told to stop; the exit code."""
    asyncio.run(serve(found, channel, code))
    return 0
