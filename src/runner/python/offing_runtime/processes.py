"""The processes of an instance. Imports nothing but what every start has: the server's own modules may hide the rest."""

import os
import signal

# One that forks as fast as it is stopped is left to the end of the instance.
ROUNDS = 20


def every():
    """The ids of all that can be seen."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def descendants(pid):
    """The processes below one; the nearest first."""
    parents = {}
    for one in every():
        try:
            with open(f"/proc/{one}/stat", "rb") as file:
                parents.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(one)
        except (OSError, IndexError, ValueError):
            pass
    found = []
    queue = [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found.extend(below)
        queue.extend(below)
    return found


def end_descendants():
    """Ends whatever this process has started, and what that has."""
    held = []
    for _ in range(ROUNDS):
        # One that is stopped starts no more; what it had started already shows in the next round.
        more = [pid for pid in descendants(os.getpid()) if pid not in held]
        if not more:
            break
        for pid in more:
            _send(pid, signal.SIGSTOP)
        held += more
    for pid in held:
        _send(pid, signal.SIGKILL)
    for pid in held:
        try:
            os.waitpid(pid, 0)
        except OSError:
            # The child of another.
            pass


def _send(pid, what):
    try:
        os.kill(pid, what)
    except OSError:
        # It has ended by itself.
        pass
