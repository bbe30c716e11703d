"""Turns a loaded object into an ASGI application and serves it on the inherited socket."""

import asyncio
import gc
import logging
import os
import socket

from . import application, tasks
from .. import lines, stuck
from ..failure import Failure
from ..failure.explain import explain
from ..entry import eras, factory
from ..entry.kinds import has_lifespan, looks_empty, versions

LISTEN_FD = 6
GRACE_SECONDS = 2


class Unservable(Exception):
    """The object cannot be served over HTTP, or offers nothing: `reason` in a sentence."""

    def __init__(self, reason, kind, empty):
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.empty = empty


async def serve(found, channel, config, may_run):
    code = config["code"]
    kind, server = await factory.resolved(found, code)
    empty = Unservable(f"the object {found.name!r} has no tools, prompts or resources when it is loaded", kind, True)
    # A lifespan may still add some; then it is looked at again once it was entered.
    in_doubt = looks_empty(kind, server) and may_run()
    if in_doubt and not has_lifespan(kind, server):
        raise empty
    try:
        served = application.of(kind, server, int(config.get("sessions") or 1000))
    except application.NoHttp as error:
        raise Unservable(str(error), kind, False) from None
    except Exception as error:
        raise explain(error, code, "making the server's HTTP application") from None
    try:
        import uvicorn
    except ModuleNotFoundError:
        raise Unservable("the environment has no uvicorn to serve it over HTTP", kind, False) from None
    app = application.Startup(lines.RequestLines(served.app), served.lifespan, lambda: web.lose())

    class Server(uvicorn.Server):
        lost = unservable = False

        def lose(self):
            self.lost = self.should_exit = True

        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            if self.started and in_doubt and looks_empty(kind, server):
                self.unservable = self.should_exit = True
            gc.freeze()
            gc.enable()
            if self.started and not self.should_exit:
                why = found.why + (f"; {served.note}" if served.note else "")
                stuck.over()
                ready = {"kind": kind, "name": found.name, "why": why, "versions": versions()}
                told = {"eras": eras.of(kind, server, code), "tasks": tasks.has_engine(server)}
                channel.send({"ready": {**ready, **told}})

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

    async def answer():
        try:
            channel.send({"unfinished": await tasks.unfinished(server)})
        except Exception:
            # Another version keeps its tasks another way: then nothing is known of any.
            channel.send({"unfinished": False})

    channel.watch(
        lambda: loop.call_soon_threadsafe(setattr, web, "should_exit", True),
        lambda: asyncio.run_coroutine_threadsafe(answer(), loop),
    )
    try:
        # A copy: whoever serves in its place takes the socket itself.
        await web.serve(sockets=[socket.socket(fileno=os.dup(LISTEN_FD))])
    except SystemExit:
        # So uvicorn ends when the lifespan failed.
        pass
    if not web.started:
        if app.error is not None:
            raise explain(app.error, code, "starting the server (its lifespan)")
        raise Failure("The server's lifespan ended before it had started.")
    if web.unservable:
        raise empty
    if web.lost:
        logging.getLogger("mcp").error("what serves the sessions has ended, so the instance ends", exc_info=app.error)
    return 1 if web.lost else 0


def run(found, channel, config, may_run):
    """
    Serves until told to stop; the exit code. Raises Unservable only before
    anything was told. `may_run()`: whether running the program could help where
    the object is empty.
    """
    return asyncio.run(serve(found, channel, config, may_run))
