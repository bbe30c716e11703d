"""Serves the MCP server object of an artifact over streamable HTTP at /mcp.

Standard input: one JSON line, `{"code", "entrypoint", "object", "pythonPath"}`.
Descriptor 6 is the listening socket, descriptor 3 the control channel: JSON
lines out (`ready`, `failed`, `line`), and in (`stop`). Standard library only,
and what the server's own environment has.
"""

import gc
import json
import os
import sys


def main():
    # Importing makes hundreds of thousands of objects that stay: looking for garbage among them is an eighth of a start.
    gc.disable()
    here = os.path.dirname(os.path.abspath(__file__))
    config = json.loads(sys.stdin.readline())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.makedirs(os.environ["HOME"], exist_ok=True)
    sys.path = [here] + [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    from offing_runtime import control, lines, load, serving

    sys.path.remove(here)
    sys.dont_write_bytecode = True
    channel = control.Channel(3)
    lines.capture(channel)
    try:
        found = load.entrypoint(config)
        code = serving.run(found, channel, config["code"])
    except load.Failure as failure:
        channel.send({"failed": failure.told()})
        code = 3
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the server must not keep an instance that has said goodbye.
    os._exit(code)


main()
