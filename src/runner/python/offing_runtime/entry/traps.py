"""
Keeps a file that starts its own server, while it is only being loaded, from
waiting for clients that never come.
"""

import contextlib
import functools
import threading

from . import hooks

_RUN = ("run", "run_async", "run_stdio_async", "run_http_async", "run_sse_async", "run_streamable_http_async")

_armed = False
_changed = []
_hooked = []


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


def _trap(owner, name, how, with_server, main_thread=False, when=None, instead=None):
    """
    Makes a call of `owner.name` raise a Started while armed; `when(*arguments)` says which calls. `instead()` is
    what it gives then, where it does not raise.
    """
    original = getattr(owner, name, None)
    if original is None or not _armed:
        return

    @functools.wraps(original)
    def trapped(*args, **kwargs):
        if _armed and not (main_thread and threading.current_thread() is not threading.main_thread()):
            if instead is not None:
                return instead()
            if when is None or when(*args, **kwargs):
                raise Started(how, args[0] if with_server and args else None)
        return original(*args, **kwargs)

    _changed.append((owner, name, vars(owner).get(name)))
    setattr(owner, name, trapped)


def _taken(*_):
    raise Started("stdio_server()")


class _Held:
    """
    Stands for the streams of standard input and output that the code would
    serve on. Whoever uses them is told that it has started; a server on streams
    of another kind, such as those of a client in the same process, is let be.
    """

    __getattribute__ = __aenter__ = __aexit__ = __aiter__ = _taken


@contextlib.asynccontextmanager
async def _held_streams():
    yield _Held(), _Held()


def _stdio(module):
    _trap(module, "stdio_server", "stdio_server()", False, instead=_held_streams)


def _on_stdio(*args, **kwargs):
    return any(type(one) is _Held for one in (*args, *kwargs.values()))


def _lowlevel(module):
    _trap(module.Server, "run", "Server.run()", True, when=_on_stdio)


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
    _hooked.append(hooks.after_import({
        "fastmcp.server.server": _servers("FastMCP"),
        "mcp.server.fastmcp.server": _servers("FastMCP"),
        "mcp.server.mcpserver.server": _servers("MCPServer"),
        "mcp.server.lowlevel.server": _lowlevel,
        "mcp.server.stdio": _stdio,
        "uvicorn.server": _uvicorn,
        "socketserver": _socketserver,
    }))


def disarm():
    """Puts everything back as it was."""
    global _armed
    _armed = False
    while _hooked:
        _hooked.pop()()
    while _changed:
        owner, name, own = _changed.pop()
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
