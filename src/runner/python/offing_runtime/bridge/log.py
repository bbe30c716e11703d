"""Takes what children print to the server's log; a flood slows the child that makes it, never the bridge."""

import os
import queue
import threading

LONGEST = 64 * 1024
WAITING = 1000


class Log:
    def __init__(self, channel):
        self._channel = channel
        self._queue = queue.Queue(WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="offing-log", daemon=True)
        self._thread.start()

    def say(self, stream, text):
        """Never waits: what finds no room is counted."""
        try:
            self._queue.put_nowait((stream, text))
        except queue.Full:
            self._dropped += 1

    def follow(self, fd, stream, last):
        """Reads lines from a descriptor until its end, in a thread of its own, and keeps the last of them in `last`."""

        def read():
            rest = b""
            while True:
                try:
                    part = os.read(fd, 65536)
                except OSError:
                    part = b""
                *whole, rest = (rest + part).split(b"\n")
                if not part or len(rest) > LONGEST:
                    whole, rest = [*whole, rest], b""
                for line in whole:
                    text = line.decode("utf-8", "replace").rstrip("\r")
                    if text or part:
                        last.append(text)
                        self._queue.put((stream, text))
                if not part:
                    os.close(fd)
                    return

        thread = threading.Thread(target=read, name="offing-child-log", daemon=True)
        thread.start()
        return thread

    def finish(self, seconds=1):
        """Waits a moment until what was said is written."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _write(self):
        while True:
            one = self._queue.get()
            if one is None:
                return
            dropped, self._dropped = self._dropped, 0
            if dropped:
                self._send("stderr", f"({dropped} lines came faster than they could be kept, and are missing here)")
            self._send(*one)

    def _send(self, stream, text):
        for start in range(0, len(text) or 1, LONGEST):
            line = {"stream": stream, "text": text[start : start + LONGEST], "request": None}
            self._channel.send({"line": line})
