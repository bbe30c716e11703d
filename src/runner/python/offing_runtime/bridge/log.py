"""Takes what children print to the server's log; a flood slows the child that makes it, never the bridge."""

import os
import queue
import select
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

    def follow(self, file, stream, last):
        """Reads lines from an unbuffered file until its end, or until stopped, and keeps the last of them in `last`."""

        def keep(text):
            last.append(text)
            self._queue.put((stream, text))

        return Following(file, keep)

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


class Following:
    """A thread that reads a file, which it closes, and gives its lines to `keep`."""

    def __init__(self, file, keep):
        self._file = file
        self._keep = keep
        # Closing one end of it tells the thread to stop: others may hold the file open for ever.
        self._stopped, self._stop = (open(fd, mode, buffering=0) for fd, mode in zip(os.pipe(), ("rb", "wb")))
        self._thread = threading.Thread(target=self._read, name="offing-child-log", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._stopped.close()
            self._stop.close()
            raise

    @property
    def alive(self):
        return self._thread.is_alive()

    def stop(self):
        """What can be read at this moment is read still."""
        self._stop.close()

    def _read(self):
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        poll.register(self._stopped, 0)
        rest = b""
        over = False
        while not over:
            ready = dict(poll.poll())
            part = self._part() if self._file.fileno() in ready else b""
            over = not part or self._stopped.fileno() in ready
            *whole, rest = (rest + part).split(b"\n")
            if over or len(rest) > LONGEST:
                whole, rest = [*whole, rest], b""
            for line in whole:
                text = line.decode("utf-8", "replace").rstrip("\r")
                if text or not over:
                    self._keep(text)
        self._file.close()
        self._stopped.close()

    def _part(self):
        try:
            return self._file.read(65536) or b""
        except OSError:
            return b""
