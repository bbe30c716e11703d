"""One child process that speaks MCP on its standard input and output, and the calls that wait for it."""

import asyncio
import json
import os
import sys
import time

from . import messages
from .call import Call, Waiting
from .process import Process

# The number of the platform's own request to a session's child, whose client has not spoken yet.
HANDSHAKE = "offing-handshake"
# Of what a child asks or gets without waiting: how much may be open.
OPEN = 1000
# Of a line that is no message, what is kept.
LONGEST_TEXT = 64 * 1024
NOBODY = "Nobody can be asked here: the client is reachable only while it waits for a call in a session."
# How long a child that was told that a call is cancelled, and pinged, may say nothing at all.
SILENT_SECONDS = 60


class Ended(Exception):
    """The child ended: `how`, in words, the last lines it printed, and what it told of the cause (see program.py)."""

    def __init__(self, how, lines, told=None):
        super().__init__(how)
        self.how = how
        self.lines = lines
        self.told = told


class Child:
    """`shared`: calls of several clients that stand alone; else all of one session, whose numbers are its own."""

    def __init__(self, argv, environment, log, shared, silent=SILENT_SECONDS):
        self._argv = argv
        self._environment = environment
        self._log = log
        self._shared = shared
        self._silent = silent
        self._process = Process(log, self._heard, self._finish)
        self._calls = {}
        # The numbers of what the child asked its client.
        self._asked = {}
        self._replies = set()
        self._next = 0
        # Where what it says by itself goes, while somebody listens.
        self._standing = None
        # When a call was cancelled after which nothing was heard.
        self._doubted = None
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
        """Raises Ended where the machine refuses."""
        try:
            await self._process.start(self._argv, self._environment)
        except BaseException as error:
            self._finish("could not be started")
            if not isinstance(error, Exception):
                raise
            raise Ended(f"it could not be started: {getattr(error, 'strerror', None) or error}", []) from None

    async def end(self):
        await self._process.end()

    async def shake(self, params, seconds):
        """The handshake, on behalf of a client that has made it already. Raises Ended."""
        message = {"jsonrpc": "2.0", "id": HANDSHAKE, "method": "initialize", "params": params}
        call = self.open(message, ours=True)
        try:
            answer = await asyncio.wait_for(self._answer(call), seconds)
        except asyncio.TimeoutError:
            self.forget(call)
            await self.end()
            how = f"it did not answer `initialize` on its standard input within {round(seconds)} seconds"
            raise self._ended(how) from None
        if not isinstance(answer.get("result"), dict):
            if not self.alive:
                raise self._ended(f"it {self.ended.result()} before it answered `initialize` on its standard input")
            await self.end()
            raise self._ended(_refusal(answer.get("error")))
        self.hello = answer["result"]
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def send(self, message):
        """Writes one message to the child's standard input; one that has ended takes none."""
        self.used = time.monotonic()
        await self._process.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def open(self, message, ours=False):
        """A Call, whose answer is waited for from now on. Raises KeyError when one of the same number is under way."""
        self._next += 1
        number = self._next if self._shared else message["id"]
        key = json.dumps(number)
        if key in self._calls:
            raise KeyError(number)
        call = self._calls[key] = Call(message, number, self._shared, ours)
        return call

    async def ask(self, call):
        """Sends what was opened."""
        request, call.request = call.request, None
        if self.alive:
            await self.send(request)
        else:
            self._lose(call)

    async def respond(self, message):
        """A client's response to what the child asked it; what nobody asked is dropped."""
        if self._asked.pop(json.dumps(message.get("id")), None) is not None:
            await self.send(message)

    def stand(self):
        """What the child says by itself, until `unstand`; None where somebody listens already, or it has ended."""
        if self._standing is not None or not self.alive:
            return None
        self._standing = Waiting()
        return self._standing

    def unstand(self):
        self._standing = None
        self._refuse_unheard()

    async def _answer(self, call):
        await self.ask(call)
        return await call.take()

    def forget(self, call):
        """This call is over."""
        self._calls.pop(json.dumps(call.number), None)
        self.used = time.monotonic()

    def leave(self, call):
        """Its client hung up, which cancels nothing; but where it waits for no other call, nobody can be asked."""
        self.forget(call)
        self._refuse_unheard()

    def _refuse_unheard(self):
        if not self._calls and self._standing is None and self.alive:
            for number in self._asked.values():
                self._refuse(number, "The client left before it answered.")
            self._asked.clear()

    def cancel(self, call, reason):
        """Tells the child that nobody waits; one that then says nothing at all, although it is pinged, is ended."""
        self.forget(call)
        if not self.alive:
            return
        params = {"requestId": call.number, "reason": reason}
        self._reply({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        if self._doubted is None:
            self._doubted = time.monotonic()
            self._reply({"jsonrpc": "2.0", "id": f"offing-ping-{self._doubted}", "method": "ping"})
            asyncio.get_running_loop().call_later(self._silent, self._judge, self._doubted)

    def _judge(self, doubted):
        if self.alive and self._doubted == doubted:
            self._process.kill(f"said nothing for {round(self._silent)} seconds after a call was cancelled, and was ended")

    def _ended(self, how):
        return Ended(how, list(self._process.last), self._process.told)

    def _finish(self, how):
        if self.ended.done():
            return
        self.ended.set_result(how)
        for call in list(self._calls.values()):
            self._lose(call)
        self._calls.clear()
        self._asked.clear()
        if self._standing is not None:
            self._standing.finish(None)

    def _lose(self, call):
        text = (
            f"The program {self.ended.result()} while it worked on this call. The next call gets a new process; the "
            "server's log has its last lines."
        )
        self.forget(call)
        call.finish({"jsonrpc": "2.0", "id": call.client_number, "error": {"code": -32000, "message": text}})

    def _heard(self, line):
        self._doubted = None
        found, text = messages.read(line)
        if text:
            text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
            self._process.last.append(text)
            self._log.say("stdout", text)
        for message in found:
            if isinstance(message.get("method"), str):
                self._request(message, len(line)) if "id" in message else self._notification(message, len(line))
            else:
                self._response(message, len(line))

    def _response(self, message, size):
        call = self._calls.get(json.dumps(message.get("id")))
        if call is not None:
            self.forget(call)
            call.finish({**message, "id": call.client_number}, size)

    def _latest(self):
        return next(reversed(self._calls.values()), None)

    def _reply(self, message):
        # Not awaited: who waits for a child to read while it waits to be read waits forever.
        if len(self._replies) < OPEN:
            reply = asyncio.ensure_future(self.send(message))
            self._replies.add(reply)
            reply.add_done_callback(self._replies.discard)

    def _refuse(self, number, text):
        self._reply({"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": text}})

    def _request(self, message, size):
        number = message["id"]
        if message["method"] == "ping":
            self._reply({"jsonrpc": "2.0", "id": number, "result": {}})
            return
        call = None if self._shared else self._latest() or self._standing
        if call is None or call.ours:
            self._refuse(number, NOBODY)
        elif len(self._asked) < OPEN and call.give(message, size):
            self._asked[json.dumps(number)] = number
        else:
            self._refuse(number, "The client has too much to read and to answer already.")

    def _notification(self, message, size):
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if message["method"] == "notifications/progress":
            token = params.get("progressToken")
            for call in self._calls.values():
                if call.token is not None and call.token == token and type(call.token) is type(token):
                    call.give({**message, "params": {**params, "progressToken": call.client_token}}, size)
            return
        call = self._latest() or self._standing
        if not self._shared and call is not None and not call.ours:
            call.give(message, size)
        elif message["method"] == "notifications/message":
            data = json.dumps(params.get("data"), ensure_ascii=False)
            self._log.say("stderr", f"{params.get('level', 'info')}: {data}")


def _refusal(error):
    if error is None:
        return "it answered `initialize` with neither a result nor an error"
    return f"it refused `initialize`: {error.get('message') if isinstance(error, dict) else error}"


def command(here, config):
    """What starts the program as its author would: see program.py."""
    keys = ("code", "entrypoint", "object", "pythonPath", "program", "argv")
    told = {key: config.get(key) for key in keys}
    told["mode"] = config["bridge"]["mode"]
    return [sys.executable, "-u", os.path.join(here, "program.py"), json.dumps(told)]
