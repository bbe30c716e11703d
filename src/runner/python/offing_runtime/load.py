"""Finds and loads the server object the way FastMCP's file loader does.

Shown by fastmcp's utilities/mcp_server_config/v1/sources/filesystem.py: the
folder of the file goes first on sys.path, the file is executed as a module, and
without a name the first of `mcp`, `server`, `app` that is a server is taken.
"""

import importlib.util
import os
import sys
import traceback

NAMES = ("mcp", "server", "app")


class Failure(Exception):
    """A server that cannot be served: what happened, and what its author can do."""

    def __init__(self, message, hint=None, trace=None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.trace = trace

    def told(self):
        return {"reason": "load", "message": self.message, "hint": self.hint, "traceback": self.trace}


def trimmed(error, code):
    """The traceback of `error` from the author's first frame on, with paths relative to the code."""
    root = os.path.realpath(code) + os.sep
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.realpath(frame.filename).startswith(root)]
    lines = ["Traceback (most recent call last):\n"] if own else []
    for frame in own:
        place = os.path.relpath(os.path.realpath(frame.filename), os.path.realpath(code))
        lines.append(f'  File "{place}", line {frame.lineno}, in {frame.name}\n')
        if frame.line:
            lines.append(f"    {frame.line}\n")
    if isinstance(error, SyntaxError) and error.filename:
        error.filename = os.path.relpath(os.path.realpath(error.filename), os.path.realpath(code))
    lines.extend(traceback.format_exception_only(type(error), error))
    return "".join(lines).rstrip("\n")


def dependency_file(code):
    """The file in which the project names its dependencies."""
    for name in ("pyproject.toml", "requirements.txt"):
        if os.path.exists(os.path.join(code, name)):
            return name
    return "requirements.txt"


def explain(error, code, what):
    """A Failure for an exception of the author's code."""
    trace = trimmed(error, code)
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.split(".")[0]
        if error.name.startswith("mcp.") and importlib.util.find_spec("mcp") is not None:
            return Failure(
                f"The installed version of mcp has no module {error.name!r}.",
                "The code was written for another major version of the MCP SDK: pin it in "
                f"{dependency_file(code)} (for example mcp<2), or move to the new import.",
                trace,
            )
        return Failure(
            f"The module {top!r} is not installed.",
            f"Add the package that provides {top!r} to {dependency_file(code)} and deploy again; if it is a module "
            "of the repository, the folder that holds it is not on the path.",
            trace,
        )
    if isinstance(error, SystemExit):
        return Failure(
            f"The program ended itself while {what} (exit code {error.code!r}), so there is no server to serve.",
            "Move argument parsing and sys.exit() below `if __name__ == \"__main__\":`; the server object must exist "
            "after a plain import.",
            trace,
        )
    last = traceback.extract_tb(error.__traceback__)[-1:]
    in_environ = [f for f in last if f.name == "__getitem__" and f.filename.endswith(("<frozen os>", "os.py"))]
    if isinstance(error, KeyError) and in_environ:
        return Failure(
            f"The environment variable {error.args[0]} is not set.",
            f"Set the variable {error.args[0]} for this scope, or read it with a default.",
            trace,
        )
    return Failure(f"{type(error).__name__} while {what}: {error}", None, trace)


def kind_of(candidate):
    """`fastmcp` or `mcpserver` for what can be served, a sentence for a known kind that cannot, None for the rest."""
    for parent in type(candidate).__mro__:
        module, name = parent.__module__, parent.__name__
        if name == "FastMCP" and module.startswith("fastmcp."):
            version = versions()["fastmcp"] or ""
            if version.split(".")[0] in ("0", "1", "2"):
                return f"a FastMCP {version} server"
            return "fastmcp"
        if name == "MCPServer" and module.startswith("mcp.server.mcpserver"):
            return "mcpserver"
        if name == "FastMCP" and module.startswith("mcp.server.fastmcp"):
            return "a FastMCP server of the MCP SDK 1.x"
        if name == "Server" and module.startswith("mcp.server.lowlevel"):
            return "a low-level Server of the MCP SDK"
    return None


def versions():
    from importlib import metadata

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("fastmcp", "mcp"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def unsupported(what, place):
    return Failure(
        f"{place} is {what}, which this release does not serve yet.",
        "Served today: FastMCP 3 and 4 (package fastmcp) and MCPServer (package mcp 2); other kinds follow in a later "
        "release.",
    )


def entrypoint(config):
    """The object that the configuration names, or the first server found; a factory is returned uncalled."""
    code, relative, wanted = config["code"], config["entrypoint"], config["object"]
    path = os.path.normpath(os.path.join(code, relative))
    if not os.path.isfile(path):
        raise Failure(
            f"The entrypoint {relative} does not exist in the repository.",
            "Name the file that holds the server: path/to/file.py or path/to/file.py:object.",
        )
    folders = [os.path.dirname(path)] + [os.path.normpath(os.path.join(code, f)) for f in config["pythonPath"]]
    ahead = list(dict.fromkeys(folders))
    # The root comes last: a folder `mcp` there must not hide the installed package.
    behind = [] if code in ahead else [code]
    sys.path[:] = ahead + [entry for entry in sys.path if entry not in ahead and entry != code] + behind
    sys.argv = [path]
    spec = importlib.util.spec_from_file_location("server_module", path)
    if spec is None or spec.loader is None:
        raise Failure(f"The entrypoint {relative} is not a Python file.", "Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["server_module"] = module
    try:
        spec.loader.exec_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise explain(error, code, f"importing {relative}") from None
    if wanted is not None:
        return named(module, relative, wanted)
    turned_down = None
    for name in NAMES:
        kind = kind_of(getattr(module, name, None))
        if kind in ("fastmcp", "mcpserver"):
            return getattr(module, name)
        if kind is not None and turned_down is None:
            turned_down = unsupported(kind, f"{relative}:{name}")
    if turned_down is not None:
        raise turned_down
    others = [name for name, value in vars(module).items() if kind_of(value) in ("fastmcp", "mcpserver")]
    if others:
        raise Failure(
            f"{relative} has no server named mcp, server or app, but one named {others[0]}.",
            f"Deploy with the entrypoint {relative}:{others[0]}.",
        )
    raise Failure(
        f"No server object was found in {relative}.",
        "Name it mcp, server or app at the top level of the file, or deploy with the entrypoint "
        f"{relative}:name-of-the-object-or-factory.",
    )


def named(module, relative, wanted):
    target = module
    for part in wanted.split("."):
        if not hasattr(target, part):
            known = [name for name, value in vars(module).items() if kind_of(value) is not None]
            raise Failure(
                f"{relative} has no object named {wanted!r}.",
                f"The servers in it are: {', '.join(known)}." if known else "No server object is in it.",
            )
        target = getattr(target, part)
    return target
