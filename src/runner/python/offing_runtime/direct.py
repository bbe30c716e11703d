"""Serves the object that loading the entrypoint gives, or says that it takes a bridge."""

from . import lines, states, stuck
from .entry import load
from .control import Again
from .failure import Failure


def run(config, channel):
    """Serves until told to stop; the exit code. Raises Failure, and Again for what must be run as a program."""
    lines.capture(channel)
    stuck.watch(config, channel)
    states.keep(config.get("stateKeys") or [])
    from .http import serving

    relative = config["entrypoint"]
    # What a bridge has found out already: it is not tried twice.
    tried = config.get("tried")
    try:
        found = load.load(config)
    except load.Nothing as nothing:
        if tried is None and (load.can_run(config) or nothing.ended):
            bridge = {"mode": "program", "why": f"loading {relative} gave no server object"}
            raise Again(config, bridge=bridge) from None
        raise Failure(
            f"No server object was found in {relative}.",
            "Name it mcp, server or app at the top level of the file, or deploy with the entrypoint "
            f"{relative}:name-of-the-object-or-factory.",
            code="server_object_missing",
        ) from None
    if tried is not None:
        found.why += f"; {tried}"
    try:
        return serving.run(found, channel, config, may_run=lambda: tried is None and load.has_main(config))
    except serving.Unservable as error:
        mode = "program" if error.empty else "object"
        bridge = {"mode": mode, "why": error.reason, "kind": error.kind, "name": found.name, "found": found.why}
        raise Again(config, bridge=bridge) from None
