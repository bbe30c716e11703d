"""A connection to Valkey over its unix socket (Redis serialization protocol, version 2); it is signed in already."""

import asyncio

SECONDS = 10
# Of one reply; more than anything that should be kept for a session.
BYTES = 64 * 1024 * 1024


class Unreachable(Exception):
    """What the platform keeps for the server cannot be reached."""


class Wire:
    """One command at a time, of those that may be sent twice. Connects at the first one, and again when it is lost."""

    def __init__(self, path):
        self._path = path
        self._loop = None
        self._turn = None
        self._streams = None
        self._whole = True

    async def command(self, *words):
        """The reply: text, a number or None. Raises Unreachable, and ValueError for what Valkey refuses."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._turn, self._streams = loop, asyncio.Lock(), None
        async with self._turn:
            for last in (False, True):
                fresh = self._streams is None
                try:
                    return await asyncio.wait_for(self._ask(words), SECONDS)
                except (OSError, EOFError, asyncio.TimeoutError) as error:
                    self._drop()
                    # A connection that rested may have ended meanwhile; a new one that fails tells.
                    if last or fresh:
                        raise Unreachable(f"what is kept for this server cannot be reached: {error}") from error
                except BaseException:
                    # A reply that nobody waited for would be taken for the next one's.
                    if not self._whole:
                        self._drop()
                    raise

    async def _ask(self, words):
        self._whole = False
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._path)
        reader, writer = self._streams
        parts = [word.encode() for word in words]
        head = f"*{len(parts)}\r\n".encode()
        writer.write(head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        await writer.drain()
        line = (await reader.readuntil(b"\r\n"))[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            size = int(rest)
            if size > BYTES:
                raise OSError("it answered with too much")
            text = None if size < 0 else (await reader.readexactly(size + 2))[:-2].decode()
            self._whole = True
            return text
        self._whole = True
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise ValueError(f"Valkey refused: {rest.decode('utf-8', 'replace')}")
        return rest.decode()

    def _drop(self):
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
