"""Finds and loads the server object the way FastMCP's file loader does.

Shown by fastmcp's utilities/mcp_server_config/v1/sources/filesystem.py: the
folder of the file goes first on sys.path, the file is executed as a module, and
without a name the first of `mcp`, `server`, `app` that is a server is taken.
"""

import ast
import importlib.util
import os
import sys

from . import place, traps
from ..failure import Failure
from ..failure.explain import explain
from .kinds import kind_of

NAMES = ("mcp", "server", "app")


class Found:
    """What loading gave: an object, or a factory that is still to be called, its name, and how it was found."""

    def __init__(self, candidate, name, why):
        self.candidate = candidate
        self.name = name
        self.why = why


class Nothing(Exception):
    """The code loaded, but no server object is in it. `ended`: it ended itself, as a program does."""

    def __init__(self, ended=False):
        super().__init__()
        self.ended = ended


def load(config):
    """
    Executes the entrypoint. Returns a Found; raises Nothing where the file has no server object, and a Failure where
    it cannot be loaded or does not say which of several objects it means.
    """
    relative, wanted = config["entrypoint"], config["object"]
    path = place.path_of(config)
    if not os.path.isfile(path):
        raise Failure(
            f"The entrypoint {relative} does not exist in the repository.",
            "Name the file that holds the server: path/to/file.py or path/to/file.py:object.",
            code="entrypoint_missing",
        )
    place.prepare(config)
    module, started = execute(path, config)
    if wanted is not None:
        return Found(named(module, relative, wanted), wanted, f"named by the entrypoint {relative}:{wanted}")
    after = ""
    if started is not None:
        after = f", which starts its own server when it is imported ({started.how}); that was held back"
    servers = {name: value for name, value in vars(module).items() if kind_of(value) is not None}
    origins, only = {}, f"the only server object in {relative}"
    if len({id(value) for value in servers.values()}) > 1:
        from . import choice

        servers, origins = choice.among(servers, _statements(config), NAMES)
        only = f"the server object that {relative} makes or runs"
    for name in NAMES:
        if name in servers:
            origin = f", imported from {origins[name]}" if name in origins else ""
            return Found(servers[name], name, f"found by loading {relative}{origin}{after}")
    if started is not None and kind_of(started.server) is not None:
        names = [name for name, value in servers.items() if value is started.server]
        return Found(started.server, names[0] if names else "server", f"found by loading {relative}{after}")
    others = {id(value): name for name, value in reversed(servers.items())}
    if len(others) > 1:
        names = sorted(others.values())
        raise Failure(
            f"{relative} holds {len(others)} servers, and none of them is named mcp, server or app: "
            f"{', '.join(names)}.",
            "Deploy again and say which: "
            + " or ".join(f"--entrypoint {relative}:{name}" for name in names)
            + "; or give the one to serve the name mcp.",
            code="server_object_ambiguous",
        )
    for name in others.values():
        return Found(servers[name], name, f"{only}{after}")
    if started is not None and started.how == "uvicorn":
        raise Failure(
            f"{relative} starts a web server of its own when it is imported, and no MCP server object was made by then.",
            "Make the server object at the top level, before the web server starts, and name it mcp; start the web "
            'server below `if __name__ == "__main__":`.',
            code="server_object_missing",
        )
    raise Nothing()


def execute(path, config):
    """Runs the file as a module. The module, and the Started with which it began to serve by itself, or None."""
    code, relative = config["code"], config["entrypoint"]
    package, parent = place.package_of(path, code)
    name = "server_module" if package is None else f"{package}.{place.module_name(path)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Failure(f"The entrypoint {relative} is not a Python file.", "Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    traps.arm()
    try:
        if package is not None:
            place.import_package(package, parent)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        started = traps.caught(error)
        if started is not None:
            return module, started
        if isinstance(error, SystemExit):
            raise ended(error, config) from None
        if isinstance(error, EOFError):
            # It reads standard input as soon as it runs.
            raise Nothing(ended=True) from None
        raise explain(error, code, f"importing {relative}") from None
    finally:
        traps.disarm()
    return module, None


def ended(error, config):
    """What to raise for a program that ended itself while it was imported; without a complaint, it was run whole."""
    if error.code in (None, 0):
        return Nothing(ended=True)
    return explain(error, config["code"], f"importing {config['entrypoint']}")


def named(module, relative, wanted):
    target = module
    for part in wanted.split("."):
        if not hasattr(target, part):
            known = [name for name, value in vars(module).items() if kind_of(value) is not None]
            raise Failure(
                f"{relative} has no object named {wanted!r}.",
                f"The servers in it are: {', '.join(known)}." if known else "No server object is in it.",
                code="server_object_missing",
            )
        target = getattr(target, part)
    return target


def can_run(config):
    """
    Whether running the entrypoint as a program could do more than loading it
    did: there is a console script, a `__main__` block, or code that runs.
    """
    return bool(config.get("program")) or any(_runs(one) for one in _statements(config))


def has_main(config):
    """Whether there is a console script or a `__main__` block."""
    blocks = (one for one in _statements(config) if isinstance(one, ast.If))
    return bool(config.get("program")) or any(_is_main(one.test) for one in blocks)


def _statements(config):
    try:
        with open(place.path_of(config), "rb") as file:
            return ast.parse(file.read()).body
    except (OSError, SyntaxError, ValueError):
        return []


def _is_main(test):
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _runs(statement):
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, (ast.Call, ast.Await))
    return isinstance(statement, (ast.If, ast.For, ast.While, ast.With, ast.Try))
