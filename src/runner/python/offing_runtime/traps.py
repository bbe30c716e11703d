"""
Keeps a file that starts its own server, while it is only being loaded, from
waiting for clients that never come.
"""

import functools
import threading

from . import hooks

_RUN = ("run", "run_async", "run_stdio_async", "run_http_async", "run_sse_async", "run_streamable_http_async")

_armed = False
_changed = []


class Started(BaseException):
    """The code began to serve by itself. `server` is the object whose run method it called, where there is one."""

    def __init__(self, how, server=None):
        super().__init__(how)
        self.how = how
        self.server = server


def caught(error):
    """The Started within an exception, also in groups and behind others; None where there is none."""
    seen = set()
    queue = [error]
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, Started):
            return one
        seen.add(id(one))
        queue.extend(getattr(one, "exceptions", ()))
        queue.extend((one.__cause__, one.__context__))
    return None


def _trap(owner, name, how, with_server, main_thread=False):
    original = getattr(owner, name, None)
    if original is None or not _armed:
        return

    @functools.wraps(original)
    def trapped(*args, **kwargs):
        if _armed and not (main_thread and threading.current_thread() is not threading.main_thread()):
            raise Started(how, args[0] if with_server and args else None)
        return original(*args, **kwargs)

    _changed.append((owner, name, vars(owner).get(name)))
    setattr(owner, name, trapped)


def _servers(class_name):
    def change(module):
        owner = getattr(module, class_name, None)
        for name in _RUN:
            _trap(owner, name, f"{class_name}.{name}()", True)

    return change


def _uvicorn(module):
    for name in ("run", "serve"):
        _trap(module.Server, name, "uvicorn", False)


def _socketserver(module):
    # In a thread of its own it keeps nobody waiting.
    _trap(module.BaseServer, "serve_forever", "serve_forever()", False, main_thread=True)


def arm():
    """From here on a server that starts itself raises a Started, in every thread of this process, until `disarm`."""
    global _armed
    _armed = True
    hooks.after_import({
        "fastmcp.server.server": _servers("FastMCP"),
        "mcp.server.fastmcp.server": _servers("FastMCP"),
        "mcp.server.mcpserver.server": _servers("MCPServer"),
        "mcp.server.lowlevel.server": _servers("Server"),
        "uvicorn.server": _uvicorn,
        "socketserver": _socketserver,
    })


def disarm():
    """Puts everything back as it was."""
    global _armed
    _armed = False
    while _changed:
        owner, name, own = _changed.pop()
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
