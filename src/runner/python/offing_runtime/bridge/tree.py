"""The processes that a process started, also those that outlive it and change their session."""

import asyncio
import os
import secrets
import signal

from .. import processes

_NAME = "OFFING_PROCESS"
# One that forks as fast as it is killed is left to the end of the instance.
ROUNDS = 20
ROUND_SECONDS = 0.01


def mark():
    """An environment by which a process and all that it starts are known."""
    return {_NAME: secrets.token_hex(16)}


async def kill_marked(mark):
    """Kills whatever has the mark, until nothing has."""
    entry = f"{_NAME}={mark[_NAME]}".encode()
    none = 0
    for _ in range(ROUNDS):
        found = [pid for pid in processes.every() if entry in _environment(pid)]
        kill(found)
        # What becomes another program just now shows no environment for a moment.
        none = 0 if found else none + 1
        if none == 3:
            return
        await asyncio.sleep(ROUND_SECONDS)


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def _environment(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []
