"""The channel to the supervisor: JSON lines on one descriptor, both ways."""

import json
import os
import signal
import sys
import threading


class Channel:
    def __init__(self, fd):
        self._fd = fd
        self._lock = threading.Lock()
        self.forked = False
        os.set_inheritable(fd, False)
        os.register_at_fork(after_in_child=self._in_child)

    def _in_child(self):
        # A forked child writes to the real pipes: two writers would tear each other's lines.
        self.forked = True
        self._lock = threading.Lock()

    def send(self, message):
        data = json.dumps(message).encode() + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self._fd, data):]

    def watch(self, on_stop, on_ask=None):
        """
        Calls `on_stop` when told to stop, and `on_ask` when asked whether work is unfinished.
        When the other end is gone, ends this process and its group.
        """

        def follow():
            rest = b""
            while True:
                try:
                    part = os.read(self._fd, 4096)
                except OSError:
                    part = b""
                if not part:
                    os.killpg(0, signal.SIGKILL)
                rest += part
                *whole, rest = rest.split(b"\n")
                for line in whole:
                    told = json.loads(line)
                    if "stop" in told:
                        on_stop()
                    elif "ask" in told and on_ask is not None:
                        on_ask()

        threading.Thread(target=follow, name="offing-control", daemon=True).start()


class Again(Exception):
    """This program must start itself again, with more in its configuration."""

    def __init__(self, config, **more):
        super().__init__()
        self._config = {**config, **more}

    def become(self, program, environment):
        """Does so, keeping the channel and the listening socket, with the environment as it was given. No return."""
        import tempfile

        from . import processes

        # What the code started while it was loaded is not of the program that is about to begin.
        processes.end_descendants()
        # Not a pipe: it would hold only so much before anybody reads.
        said = tempfile.TemporaryFile()
        said.write(json.dumps(self._config).encode() + b"\n")
        said.flush()
        os.lseek(said.fileno(), 0, os.SEEK_SET)
        os.dup2(said.fileno(), 0)
        for fd in (3, 6):
            os.set_inheritable(fd, True)
        os.execve(sys.executable, [sys.executable, "-u", program], environment)
