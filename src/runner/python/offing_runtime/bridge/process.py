"""One process with lines in and lines out, ended together with what it started."""

import asyncio
import collections
import contextlib
import json
import os
import signal
import subprocess
import threading

from .. import processes
from . import tree

LONGEST_LINE = 64 * 1024 * 1024
END_SECONDS = 1


class Process:
    """
    `heard(line)` is called for each line of its standard output, and
    `over(how)` once it has ended: how, to go on after "it". `last` has the last
    lines that it printed, `told` what it said of its failure (see program.py).
    """

    def __init__(self, log, heard, over):
        self._log = log
        self._heard = heard
        self._over = over
        self._mark = tree.mark()
        self._writing = asyncio.Lock()
        self._ending = None
        self._watching = None
        self._fault = None
        self.last = collections.deque(maxlen=20)
        self.told = None

    async def start(self, argv, environment):
        """Raises what the machine refused, and leaves nothing behind then."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as undo:
            with contextlib.ExitStack() as theirs:
                errors, said = _pipe(undo, theirs)
                telling, tell = _pipe(undo, theirs)
                self._popen = subprocess.Popen(
                    [*argv, str(tell.fileno())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    pass_fds=(tell.fileno(),),
                    env={**environment, **self._mark},
                    bufsize=0,
                )
            undo.callback(self._put_down)
            exited = loop.create_future()
            threading.Thread(target=self._wait, args=(loop, exited), name="offing-child", daemon=True).start()
            self._stderr = self._log.follow(errors, "stderr", self.last)
            undo.callback(self._stderr.stop)
            reader = asyncio.StreamReader(limit=LONGEST_LINE)
            self._reading, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), self._popen.stdout
            )
            transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, self._popen.stdin)
            self._writer = asyncio.StreamWriter(transport, protocol, None, loop)
            undo.pop_all()
        self._watching = loop.create_task(self._watch(exited, loop.create_task(self._read(reader)), telling))

    def memory(self):
        """Bytes, of which what it shares with others counts in part; 0 where it cannot be seen."""
        try:
            with open(f"/proc/{self._popen.pid}/smaps_rollup", "rb") as file:
                return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
        except (OSError, AttributeError, ValueError):
            return 0

    async def write(self, line):
        """Writes to its standard input; a process that has ended takes nothing."""
        async with self._writing:
            try:
                # First, so that what cancelled writers left before one that does not read cannot pile up.
                await self._writer.drain()
                self._writer.write(line)
                await self._writer.drain()
            except (BrokenPipeError, ConnectionResetError, RuntimeError):
                pass

    def kill(self, why):
        """Ends it at once, and says why in place of how it ended."""
        self._fault = self._fault or why
        self._popen.kill()

    async def end(self):
        """Ends it as a client on stdio does: end of input, then a signal, then another. Resolves when it is gone."""
        if self._watching is None:
            return
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())
        await asyncio.shield(self._ending)

    async def _end(self):
        below = processes.descendants(self._popen.pid) if self._popen.returncode is None else []
        self._writer.close()
        for ending in (None, signal.SIGTERM, signal.SIGKILL):
            if ending is not None and self._popen.returncode is None:
                self._popen.send_signal(ending)
            await asyncio.wait({self._watching}, timeout=END_SECONDS)
            if self._popen.returncode is not None:
                break
        tree.kill(below)
        await self._watching

    def _put_down(self):
        """Ends what could not be watched."""
        self._popen.kill()
        self._popen.wait()
        self._popen.stdin.close()
        self._popen.stdout.close()

    def _wait(self, loop, exited):
        code = self._popen.wait()
        try:
            loop.call_soon_threadsafe(exited.set_result, code)
        except RuntimeError:
            # The bridge is ending itself.
            pass

    async def _read(self, reader):
        try:
            while line := await reader.readline():
                self._take(line)
        except ValueError:
            self.kill(f"wrote a line of more than {LONGEST_LINE} bytes")

    def _take(self, line):
        try:
            self._heard(line)
        except Exception as error:
            # A bridge that stops listening would let its clients wait for ever.
            self.kill(f"wrote what the platform could not take ({type(error).__name__})")

    async def _watch(self, exited, reading, telling):
        code = await exited
        await tree.kill_marked(self._mark)
        # What it had written already; one that hides from us may hold the descriptors open for much longer.
        await asyncio.wait({reading}, timeout=END_SECONDS)
        reading.cancel()
        for _ in range(20):
            if not self._stderr.alive:
                break
            await asyncio.sleep(END_SECONDS / 20)
        self._stderr.stop()
        self._reading.close()
        self._writer.close()
        self.told = _told(telling)
        self._over(self._fault or (f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"))


def _pipe(ours, theirs):
    """(reading end, writing end): unbuffered files, which may be closed twice; each is closed with its stack."""
    reading, writing = os.pipe()
    return (
        ours.enter_context(open(reading, "rb", buffering=0)),
        theirs.enter_context(open(writing, "wb", buffering=0)),
    )


def _told(file):
    """The JSON that a process left there; None where it left nothing."""
    os.set_blocking(file.fileno(), False)
    with file:
        try:
            return json.loads(file.read(64 * 1024) or b"")
        except (OSError, ValueError):
            return None
