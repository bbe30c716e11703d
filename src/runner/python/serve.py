"""Serves the MCP server of an artifact over streamable HTTP at /mcp.

Standard input: one JSON line, `{"code", "entrypoint", "object", "pythonPath",
"program", "argv", "stateKeys", "startMs", "processes", "silentMs", "sessions", "memoryMb"}`.
Descriptor 6 is the listening socket, descriptor 3 the control channel: JSON
lines out (`ready`, `failed`, `line`, `unfinished`), and in (`stop`, `ask`). Standard library only,
and what the server's own environment has.

A program without a server object is served by a bridge. This program then
becomes it by starting itself again, so that nothing of the half-loaded code
stays: `"bridge"` in the line says why.
"""

import gc
import json
import os
import sys
import time


def main():
    # Importing makes hundreds of thousands of objects that stay: looking for garbage among them is an eighth of a start.
    gc.disable()
    here = os.path.dirname(os.path.abspath(__file__))
    given = dict(os.environ)
    # Past the text layer, which is the code's own to set up (sys.stdin.reconfigure) until it has been read.
    config = json.loads(sys.stdin.buffer.readline())
    config.setdefault("began", time.time())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.makedirs(os.environ["HOME"], exist_ok=True)
    sys.path = [here] + [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    from offing_runtime import control
    from offing_runtime.failure import explain

    sys.path.remove(here)
    sys.dont_write_bytecode = True
    channel = control.Channel(3)
    try:
        if "bridge" in config:
            from offing_runtime import bridge

            code = bridge.run(config, channel, here, given)
        else:
            from offing_runtime import direct

            code = direct.run(config, channel)
    except control.Again as again:
        sys.stdout.flush()
        sys.stderr.flush()
        again.become(os.path.abspath(__file__), given)
    except explain.Failure as failure:
        channel.send({"failed": failure.told()})
        code = 3
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the server must not keep an instance that has said goodbye.
    os._exit(code)


main()
