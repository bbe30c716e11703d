"""Tells what kind of MCP server an object is, by its classes and never by its name."""

import sys

FACTORY_HINT = (
    "Name a FastMCP, MCPServer or low-level Server object, or a function without required arguments that returns one."
)


def kind_of(candidate):
    """`fastmcp`, `mcpserver`, `sdk-fastmcp` (the MCP SDK 1.x) or `lowlevel`; None for anything else."""
    for parent in type(candidate).__mro__:
        module, name = parent.__module__, parent.__name__
        if name == "FastMCP" and module.startswith("fastmcp."):
            return "fastmcp"
        if name == "MCPServer" and module.startswith("mcp.server.mcpserver"):
            return "mcpserver"
        if name == "FastMCP" and module.startswith("mcp.server.fastmcp"):
            return "sdk-fastmcp"
        if name == "Server" and module.startswith("mcp.server.lowlevel"):
            return "lowlevel"
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


def lowlevel_of(kind, server):
    """The low-level server within one of a framework; None where it cannot be found."""
    if kind == "lowlevel":
        return server
    return getattr(server, "_mcp_server", None) or getattr(server, "_lowlevel_server", None)


# What each kind keeps its own capabilities in, and what it takes from elsewhere, as attribute paths.
_OWN = ("_tool_manager._tools", "_prompt_manager._prompts", "_resource_manager._resources",
        "_resource_manager._templates", "_local_provider._components")
_ELSEWHERE = ("_mounted_servers", "_mounted_apps", "_extensions", "_transforms")


def _at(server, path):
    for part in path.split("."):
        server = getattr(server, part, None)
    return server


def has_lifespan(kind, server):
    """Whether the author gave it a lifespan of its own, which may add to what it offers. True where that cannot be seen."""
    try:
        if kind == "lowlevel":
            given = server.lifespan
        elif hasattr(server, "_has_lifespan"):
            return bool(server._has_lifespan)
        elif hasattr(server, "_lifespan"):
            given = server._lifespan
        else:
            given = server.settings.lifespan
    except AttributeError:
        return True
    # The frameworks' own are functions of these names; a lifespan object of theirs holds the author's.
    own = (getattr(given, "__module__", None) or "").startswith(("fastmcp.server.", "mcp.server."))
    return given is not None and not (own and getattr(given, "__name__", "") in ("default_lifespan", "lifespan"))


def looks_empty(kind, server):
    """
    Whether the object surely offers nothing yet: no tool, prompt or resource
    of its own and none from elsewhere. False wherever that cannot be seen.
    """
    try:
        if kind == "lowlevel":
            handlers = _at(server, "request_handlers") or _at(server, "_request_handlers")
            if handlers is None:
                return False
            return not any("list" in getattr(key, "__name__", str(key)).lower() for key in handlers)
        own = [held for held in (_at(server, path) for path in _OWN) if held is not None]
        elsewhere = [held for held in (_at(server, path) for path in _ELSEWHERE) if held]
        providers = getattr(server, "providers", None) or ()
        plain = type(server).__name__ in ("FastMCP", "MCPServer")
        return plain and bool(own) and not any(own) and not elsewhere and len(providers) <= 1
    except Exception:
        return False
