"""Sends what Python prints as whole lines, with the request during which each was printed."""

import collections
import contextvars
import io
import os
import sys
import threading

LONGEST = 64 * 1024

request = contextvars.ContextVar("offing_request", default=None)
_captured = []
# Where the request's id stands in the scope that its handlers see.
KEY = "offing.request"
_recent = collections.deque(maxlen=40)


def current():
    """
    The request in whose course this code runs. The tasks of a session belong to none: there the SDK 1.x says which
    request it handles.
    """
    own = request.get()
    if own is not None:
        return own
    handled = getattr(sys.modules.get("mcp.server.lowlevel.server"), "request_ctx", None)
    context = handled.get(None) if handled is not None else None
    return getattr(getattr(context, "request", None), "scope", {}).get(KEY)


def recent():
    """The last lines that were printed, oldest first."""
    return [line.decode("utf-8", "replace") for line in _recent]


class Lines(io.RawIOBase):
    """A raw stream whose lines go to the channel; one buffer per request, so that concurrent prints do not mix."""

    def __init__(self, name, fd, channel):
        self._name = name
        self._fd = fd
        self._channel = channel
        self._lock = threading.RLock()
        self._partial = {}

    def writable(self):
        return True

    def fileno(self):
        return self._fd

    def isatty(self):
        return False

    def write(self, data):
        data = bytes(data)
        if self._channel.forked:
            os.write(self._fd, data)
            return len(data)
        during = current()
        with self._lock:
            *whole, rest = (self._partial.pop(during, b"") + data).split(b"\n")
            while len(rest) > LONGEST:
                whole.append(rest[:LONGEST])
                rest = rest[LONGEST:]
            if rest:
                self._partial[during] = rest
            for line in whole:
                self._send(line, during)
        return len(data)

    def _send(self, line, during):
        _recent.append(line[:4096])
        for start in range(0, len(line) or 1, LONGEST):
            text = line[start : start + LONGEST].decode("utf-8", "replace").rstrip("\r")
            self._channel.send({"line": {"stream": self._name, "text": text, "request": during}})

    def finish(self, during):
        """Sends what a request printed without a newline."""
        with self._lock:
            rest = self._partial.pop(during, b"")
            if rest:
                self._send(rest, during)


def capture(channel):
    """Replaces sys.stdout and sys.stderr. Call before any code of the server is imported."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        raw = Lines(name, fd, channel)
        text = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
        _captured.append(raw)


class RequestLines:
    """ASGI middleware: takes the platform's request id off the request and keeps it while the request runs."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        during = None
        kept = []
        for name, value in scope["headers"]:
            if name.lower() == b"offing-request-id":
                during = value.decode("latin-1")
            else:
                kept.append((name, value))
        token = request.set(during)
        try:
            await self._app({**scope, "headers": kept, KEY: during}, receive, send)
        finally:
            request.reset(token)
            if during is not None:
                for raw in _captured:
                    raw.finish(during)
