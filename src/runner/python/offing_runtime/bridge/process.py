"""One process with lines in and lines out, ended together with what it started."""

import asyncio
import collections
import json
import os
import signal
import subprocess
import threading

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
        self._writing = asyncio.Lock()
        self._ending = None
        self._fault = None
        self.last = collections.deque(maxlen=20)
        self.told = None

    async def start(self, argv, environment):
        loop = asyncio.get_running_loop()
        errors, said = os.pipe()
        telling, tell = os.pipe()
        try:
            self._popen = subprocess.Popen(
                [*argv, str(tell)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                pass_fds=(tell,),
                env=environment,
                bufsize=0,
            )
        except BaseException:
            os.close(errors)
            os.close(telling)
            raise
        finally:
            os.close(said)
            os.close(tell)
        self._stderr = self._log.follow(errors, "stderr", self.last)
        exited = loop.create_future()
        threading.Thread(target=self._wait, args=(loop, exited), name="offing-child", daemon=True).start()
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), self._popen.stdout)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, self._popen.stdin)
        self._writer = asyncio.StreamWriter(transport, protocol, None, loop)
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
                self._writer.write(line)
                await self._writer.drain()
            except (BrokenPipeError, ConnectionResetError, RuntimeError):
                pass

    async def end(self):
        """Ends it as a client on stdio does: end of input, then a signal, then another. Resolves when it is gone."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())
        await asyncio.shield(self._ending)

    async def _end(self):
        below = descendants(self._popen.pid) if self._popen.returncode is None else []
        self._writer.close()
        for ending in (None, signal.SIGTERM, signal.SIGKILL):
            if ending is not None and self._popen.returncode is None:
                self._popen.send_signal(ending)
            await asyncio.wait({self._watching}, timeout=END_SECONDS)
            if self._popen.returncode is not None:
                break
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        await self._watching

    def _wait(self, loop, exited):
        code = self._popen.wait()
        try:
            loop.call_soon_threadsafe(exited.set_result, code)
        except RuntimeError:
            # The bridge is ending itself.
            pass

    async def _read(self, reader):
        try:
            while True:
                line = await reader.readline()
                if not line:
                    return
                self._heard(line)
        except ValueError:
            self._fault = f"wrote a line of more than {LONGEST_LINE} bytes"
            self._popen.kill()

    async def _watch(self, exited, reading, telling):
        code = await exited
        # What it had written already; one that it started may hold the descriptors open for much longer.
        await asyncio.wait({reading}, timeout=END_SECONDS)
        reading.cancel()
        for _ in range(20):
            if not self._stderr.is_alive():
                break
            await asyncio.sleep(END_SECONDS / 20)
        self.told = _told(telling)
        self._over(self._fault or (f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"))


def _told(fd):
    """The JSON that a process left there; None where it left nothing."""
    os.set_blocking(fd, False)
    try:
        return json.loads(os.read(fd, 64 * 1024))
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)


def descendants(pid):
    """The processes below one, by /proc; the nearest first."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parents.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(int(entry))
            except (OSError, IndexError, ValueError):
                pass
    found = []
    queue = [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found.extend(below)
        queue.extend(below)
    return found
