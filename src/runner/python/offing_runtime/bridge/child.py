"""One child process that speaks MCP on its standard input and output, and the calls that wait for it."""

import asyncio
import json
import os
import sys
import time

from .process import Process

# Of one call: what a client that reads slowly may leave waiting of what can be left out.
WAITING = 1000
# The number of the platform's own request; a client's is answered before anybody else could use it.
HANDSHAKE = "offing-handshake"


class Ended(Exception):
    """The child ended: `how`, in words, the last lines it printed, and what it told of the cause (see program.py)."""

    def __init__(self, how, lines, told=None):
        super().__init__(how)
        self.how = how
        self.lines = lines
        self.told = told


class Call:
    """One request on its way through a child. `messages` gives what is to go to its client, the response last."""

    def __init__(self, message, number, shared):
        self.number = number
        self.client_number = message["id"]
        meta = (message.get("params") or {}).get("_meta")
        self.client_token = meta.get("progressToken") if isinstance(meta, dict) else None
        # Calls of several clients share a child: their own numbers would collide.
        self.token = number if shared and self.client_token is not None else self.client_token
        self.messages = asyncio.Queue()
        self.asked = set()

    def give(self, message, needed=True):
        if needed or self.messages.qsize() < WAITING:
            self.messages.put_nowait(message)


class Child:
    """`shared`: calls of several clients that stand alone; else all of one session, whose numbers are its own."""

    def __init__(self, argv, environment, log, shared):
        self._argv = argv
        self._environment = environment
        self._log = log
        self._shared = shared
        self._process = Process(log, self._heard, self._finish)
        self._calls = {}
        self._asked = {}
        self._replies = set()
        self._next = 0
        self.used = time.monotonic()
        self.hello = None
        self.ended = asyncio.get_running_loop().create_future()

    @property
    def busy(self):
        return bool(self._calls)

    @property
    def alive(self):
        return not self.ended.done()

    def memory(self):
        return self._process.memory()

    async def start(self):
        await self._process.start(self._argv, self._environment)

    async def end(self):
        await self._process.end()

    async def shake(self, params, seconds):
        """The handshake, on behalf of a client that has made it already. Raises Ended."""
        message = {"jsonrpc": "2.0", "id": HANDSHAKE, "method": "initialize", "params": params}
        call = await self.call(message)
        try:
            answer = await asyncio.wait_for(call.messages.get(), seconds)
        except asyncio.TimeoutError:
            self.forget(call)
            await self.end()
            how = f"it did not answer `initialize` on its standard input within {round(seconds)} seconds"
            raise self._ended(how) from None
        if "result" not in answer:
            if not self.alive:
                raise self._ended(f"it {self.ended.result()} before it answered `initialize` on its standard input")
            await self.end()
            raise self._ended(f"it refused `initialize`: {answer['error'].get('message')}")
        self.hello = answer["result"]
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def send(self, message):
        """Writes one message to the child's standard input; one that has ended takes none."""
        self.used = time.monotonic()
        await self._process.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def call(self, message):
        """Sends a request. Raises KeyError when one of the same number is under way."""
        self._next += 1
        number = self._next if self._shared and message["id"] != HANDSHAKE else message["id"]
        key = json.dumps(number)
        if key in self._calls:
            raise KeyError(number)
        call = Call(message, number, self._shared)
        if call.token != call.client_token:
            params = message["params"]
            message = {**message, "params": {**params, "_meta": {**params["_meta"], "progressToken": call.token}}}
        self._calls[key] = call
        if not self.alive:
            self._lose(call)
        else:
            await self.send({**message, "id": number})
        return call

    async def respond(self, message):
        """A client's response to what the child asked it; what nobody asked is dropped."""
        if self._asked.pop(json.dumps(message["id"]), None) is not None:
            await self.send(message)

    def forget(self, call):
        """Nobody waits for this call any more."""
        self._calls.pop(json.dumps(call.number), None)
        self.used = time.monotonic()
        for key in call.asked:
            self._asked.pop(key, None)

    async def cancel(self, call, reason):
        self.forget(call)
        if self.alive:
            params = {"requestId": call.number, "reason": reason}
            await self.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    def _ended(self, how):
        return Ended(how, list(self._process.last), self._process.told)

    def _finish(self, how):
        if self.ended.done():
            return
        self.ended.set_result(how)
        for call in list(self._calls.values()):
            self._lose(call)
        self._calls.clear()

    def _lose(self, call):
        text = (
            f"The program {self.ended.result()} while it worked on this call. The next call gets a new process; the "
            "server's log has its last lines."
        )
        error = {"code": -32000, "message": text}
        call.give({"jsonrpc": "2.0", "id": call.client_number, "error": error})

    def _heard(self, line):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        messages = value if isinstance(value, list) and value else [value]
        if not all(isinstance(one, dict) and one.get("jsonrpc") == "2.0" for one in messages):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text:
                self._process.last.append(text)
                self._log.say("stdout", text)
            return
        for message in messages:
            if isinstance(message.get("method"), str):
                self._request(message) if "id" in message else self._notification(message)
            else:
                self._response(message)

    def _response(self, message):
        call = self._calls.get(json.dumps(message.get("id")))
        if call is not None:
            self.forget(call)
            call.give({**message, "id": call.client_number})

    def _latest(self):
        return next(reversed(self._calls.values()), None)

    def _reply(self, message):
        # Not awaited: who waits for a child to read while it waits to be read waits forever.
        reply = asyncio.ensure_future(self.send(message))
        self._replies.add(reply)
        reply.add_done_callback(self._replies.discard)

    def _request(self, message):
        if message["method"] == "ping":
            self._reply({"jsonrpc": "2.0", "id": message["id"], "result": {}})
            return
        call = None if self._shared else self._latest()
        if call is None or call.client_number == HANDSHAKE:
            text = "Nobody can be asked here: the client is reachable only while it waits for a call in a session."
            error = {"code": -32601, "message": text}
            self._reply({"jsonrpc": "2.0", "id": message["id"], "error": error})
            return
        key = json.dumps(message["id"])
        self._asked[key] = call
        call.asked.add(key)
        call.give(message)

    def _notification(self, message):
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if message["method"] == "notifications/progress":
            token = params.get("progressToken")
            for call in self._calls.values():
                if call.token is not None and call.token == token and type(call.token) is type(token):
                    call.give({**message, "params": {**params, "progressToken": call.client_token}}, needed=False)
            return
        call = self._latest()
        if not self._shared and call is not None and call.client_number != HANDSHAKE:
            call.give(message, needed=False)
        elif message["method"] == "notifications/message":
            data = json.dumps(params.get("data"), ensure_ascii=False)
            self._log.say("stderr", f"{params.get('level', 'info')}: {data}")


def command(here, config):
    """What starts the program as its author would: see program.py."""
    keys = ("code", "entrypoint", "object", "pythonPath", "program", "argv")
    told = {key: config.get(key) for key in keys}
    told["mode"] = config["bridge"]["mode"]
    return [sys.executable, "-u", os.path.join(here, "program.py"), json.dumps(told)]
