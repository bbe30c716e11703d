"""Serves a program that speaks MCP on its standard input and output: one child process per session."""

import asyncio
import json
import time

from ..entry import kinds
from ..failure import arguments, explain
from ..control import Again
from ..failure import Failure
from .log import Log
from .pool import Pool
from .requests import Requests
from .wire import listen

LISTEN_FD = 6
HANDSHAKE_SECONDS = 25
# Of the instance's time to start, what is left for saying why it did not.
LAST_WORDS_SECONDS = 2
DRAIN_SECONDS = 1


def run(config, channel, here, environment):
    """Serves until told to stop; the exit code. Raises Failure, or Again to serve an object that is as good as none."""
    return asyncio.run(_serve(config, channel, here, environment))


async def _serve(config, channel, here, environment):
    log = Log(channel)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    pool = Pool(config, here, environment, log)
    seconds = HANDSHAKE_SECONDS
    if config.get("startMs") and config.get("began"):
        seconds = config["began"] + config["startMs"] / 1000 - time.time() - LAST_WORDS_SECONDS
    try:
        async with pool.shared(max(1, seconds)):
            pass
    except pool.Ended as ended:
        await pool.close()
        log.finish()
        raise _failure(config, ended) from None
    requests = Requests(pool)
    server = await listen(LISTEN_FD, requests.handle)
    bridge = config["bridge"]
    kind = bridge["kind"] if bridge["mode"] == "object" else "stdio"
    name = bridge.get("name") or config.get("program") or config["entrypoint"]
    why = {"name": name, "kind": kind, "why": _why(config), "versions": kinds.versions()}
    channel.watch(lambda: loop.call_soon_threadsafe(stop.set))
    channel.send({"ready": why})
    await stop.wait()
    server.close()
    await requests.finished(DRAIN_SECONDS)
    await pool.close()
    log.finish()
    return 0


def _program(config):
    return f"the console script {config['program']}" if config.get("program") else config["entrypoint"]


def _why(config):
    bridge = config["bridge"]
    if bridge["mode"] == "object":
        return f"{bridge['found']} and run on standard input and output, one process per session: {bridge['why']}"
    return (
        f"found by running {_program(config)}: {bridge['why']}, but the program speaks MCP on its standard input and "
        "output, so each session gets a process of its own"
    )


def _failure(config, ended):
    bridge = config["bridge"]
    if bridge["mode"] == "program" and bridge.get("kind"):
        rest = {key: value for key, value in config.items() if key != "bridge"}
        return Again(rest, tried=f"running {_program(config)} did not help: {ended.how}")
    told = ended.told
    why = f"{bridge['why'][0].upper()}{bridge['why'][1:]}"
    if told is not None:
        message = f"{told['message']} {why}, so {_program(config)} was run as a program."
        return Failure(message, told["hint"], told["traceback"], told["missing"], told["code"])
    named = explain.from_output(arguments.without_help(ended.lines), config["code"])
    if named is not None:
        return named
    asked = arguments.wanted(ended.lines)
    if asked is not None:
        wants, example = asked
        edit = json.dumps({"deployment": {"args": [*(config.get("argv") or []), *example]}}, ensure_ascii=False)
        return Failure(
            f"{why}, and {_program(config)} wants other arguments than it was run with: {wants}.",
            f"Give them in a file fastmcp.json at the root of the repository: {edit}\n"
            "Or make the server object at the top level of a file, name it mcp, and deploy that file: "
            "--entrypoint path/to/file.py",
            "\n".join(ended.lines) or None,
            code="arguments_missing",
        )
    return Failure(
        f"{why}, and running {_program(config)} as a program gave none either: {ended.how}.",
        "Make the server object at the top level of the file and name it mcp, or let the program speak MCP on its "
        "standard input and output when it is run; arguments that it needs go into fastmcp.json, as "
        '"deployment": {"args": ["…"]}.',
        "\n".join(ended.lines) or None,
        code="server_object_missing",
    )
