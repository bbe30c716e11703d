"""What a child says, on its way to a client: the answer to one request, or what it says by itself."""

import asyncio

# What a client that reads slowly may leave waiting, of what can be left out.
WAITING = 1000
WAITING_BYTES = 4 * 1024 * 1024


class Waiting:
    """Messages that wait for a client to read them; bounded, but for those that are never left out."""

    ours = False

    def __init__(self):
        self._messages = asyncio.Queue()
        self._bytes = 0

    def give(self, message, size=0):
        """Passes on what has that many bytes; whether it was taken."""
        if not self._messages.empty() and (self._messages.qsize() >= WAITING or self._bytes + size > WAITING_BYTES):
            return False
        self.finish(message, size)
        return True

    def finish(self, message, size=0):
        """Passes on what is never left out: the response, or None for the end."""
        self._bytes += size
        self._messages.put_nowait((message, size))

    async def take(self):
        """The next message for the client; the response comes last."""
        message, size = await self._messages.get()
        self._bytes -= size
        return message


class Call(Waiting):
    """
    `number` and `token` are what the child sees, `client_number` and
    `client_token` what its client chose; `ours` is a call that no client made.
    """

    def __init__(self, message, number, shared, ours):
        super().__init__()
        self.number = number
        self.ours = ours
        self.client_number = message["id"]
        params = message.get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        self.client_token = meta.get("progressToken") if isinstance(meta, dict) else None
        # Calls of several clients share a child: their own numbers would collide.
        self.token = number if shared and self.client_token is not None else self.client_token
        if self.token != self.client_token:
            message = {**message, "params": {**params, "_meta": {**meta, "progressToken": self.token}}}
        self.request = {**message, "id": number}
