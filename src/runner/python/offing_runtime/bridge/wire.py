"""HTTP/1.1 on the inherited socket, as much of it as the gateway speaks: bodies with a length, answers or streams."""

import asyncio
import json
import socket

LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 32 * 1024 * 1024
REASONS = {200: "OK", 202: "Accepted", 204: "No Content", 400: "Bad Request", 404: "Not Found",
           405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 502: "Bad Gateway", 503: "Service Unavailable"}


class Request:
    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body


class Connection(asyncio.Protocol):
    """One connection, one request at a time. `handle(request, answer)` is cancelled when its client leaves."""

    def __init__(self, handle):
        self._handle = handle
        self._buffer = bytearray()
        # Method, path, headers and the body's length, once the head is read.
        self._head = None
        self._task = None
        self._transport = None
        self._flowing = asyncio.Event()
        self._flowing.set()

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._buffer += data
        self._next()

    def pause_writing(self):
        self._flowing.clear()

    def resume_writing(self):
        self._flowing.set()

    def connection_lost(self, error):
        self._flowing.set()
        if self._task is not None:
            self._task.cancel()

    def _next(self):
        if self._task is not None or self._transport.is_closing():
            return
        if self._head is None and not self._read_head():
            return
        method, path, headers, length = self._head
        if len(self._buffer) < length:
            return
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        self._task = asyncio.ensure_future(self._serve(Request(method, path, headers, body)))

    def _read_head(self):
        """Whether the head of a request is whole; a connection that sends none that is served here is cut."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > LONGEST_HEAD:
                self._transport.abort()
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, path, *_ = [*first.split(" "), "", ""]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY or "transfer-encoding" in headers:
            self._transport.abort()
            return False
        self._head = (method, path, headers, int(length))
        return True

    async def _serve(self, request):
        answer = Answer(self)
        try:
            await self._handle(request, answer)
            await answer.finish()
        except asyncio.CancelledError:
            return
        except Exception as error:
            if answer.begun:
                self._transport.abort()
                return
            await answer.json(500, {"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": repr(error)}})
        self._task = None
        self._next()

    async def write(self, data):
        self._transport.write(data)
        await self._flowing.wait()


class Answer:
    """The answer to one request: `json`, `empty`, or `begin` and any number of `event`s."""

    def __init__(self, connection):
        self._connection = connection
        self._streaming = False
        self.begun = False

    async def json(self, status, message):
        body = json.dumps(message, ensure_ascii=False).encode("utf-8", "backslashreplace")
        await self._head(status, f"content-type: application/json\r\ncontent-length: {len(body)}\r\n", body)

    async def empty(self, status):
        await self._head(status, "" if status == 204 else "content-length: 0\r\n")

    async def begin(self):
        """The head of an event stream, before anything is said on it."""
        await self._stream(b"")

    async def event(self, message):
        data = b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"
        await self._stream(b"%x\r\n%b\r\n" % (len(data), data))

    async def _stream(self, chunk):
        if self._streaming:
            await self._connection.write(chunk)
        else:
            self._streaming = True
            head = "content-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n"
            await self._head(200, head, chunk)

    async def finish(self):
        if self._streaming:
            await self._connection.write(b"0\r\n\r\n")

    async def _head(self, status, headers, body=b""):
        self.begun = True
        first = f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}"
        await self._connection.write(f"{first}\r\n{headers}\r\n".encode() + body)


async def listen(fd, handle):
    listener = socket.socket(fileno=fd)
    listener.setblocking(False)
    return await asyncio.get_running_loop().create_unix_server(lambda: Connection(handle), sock=listener, backlog=512)
