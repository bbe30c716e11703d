"""Speaking ASGI from within: a request of our own to an application, and answers of our own to its clients."""

import asyncio
import json


async def body_of(receive):
    """The whole body of a request; None when its client left before it was whole."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def method_of(body):
    """The method of a JSON-RPC message; None where it has none."""
    try:
        message = json.loads(body)
    except ValueError:
        return None
    return message.get("method") if isinstance(message, dict) else None


def replay(body, receive):
    """A `receive` that gives a body which was read already, and then what is still to come."""
    given = False

    async def again():
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


class Answer:
    """What an application answered to a request of ours."""

    def __init__(self):
        self.status = 0
        self.body = b""

    def heard(self, message):
        """Takes in what was sent; whether that was the last of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return False
        self.body += message.get("body", b"")
        return not message.get("more_body")

    def result(self):
        """The result of the JSON-RPC response, in JSON or as an event; None where there is none."""
        for text in [self.body, *(line[5:] for line in self.body.splitlines() if line.startswith(b"data:"))]:
            try:
                message = json.loads(text)
            except ValueError:
                continue
            if isinstance(message, dict) and isinstance(message.get("result"), dict):
                return message["result"]
        return None

    def told(self):
        return f"HTTP {self.status} {self.body[:500].decode('utf-8', 'replace').strip()}"


async def ask(app, scope, message, method="POST", without=(), replaced=None):
    """Sends one message within the process, with the headers of `scope` but for those left out or replaced."""
    body = b"" if message is None else json.dumps(message).encode()
    own = {b"content-type": b"application/json", b"accept": b"application/json, text/event-stream",
           b"content-length": str(len(body)).encode(), **(replaced or {})}
    headers = [pair for pair in scope["headers"] if pair[0].lower() not in own and pair[0].lower() not in without]
    answer = Answer()
    over = asyncio.Event()

    async def never():
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(sent):
        if answer.heard(sent):
            over.set()

    await app({**scope, "method": method, "headers": [*headers, *own.items()]}, replay(body, never), send)
    return answer


async def empty(send, status):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def error(send, status, request, message, code=-32000):
    """Answers a JSON-RPC request with an error; `request` is its body as it came."""
    try:
        number = json.loads(request).get("id")
    except (ValueError, AttributeError):
        number = None
    body = json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
