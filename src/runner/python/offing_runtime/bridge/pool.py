"""The children of an instance: one per session, one for the calls that stand alone, and never more than a number."""

import asyncio
import collections
import contextlib
import time

from ..hello import ALONE
from .child import Child, command, Ended, SILENT_SECONDS

MOST = 16
IDLE_SECONDS = 15 * 60
# Of the instance's memory, what its children may fill.
SHARE = 0.9
HANDSHAKE_SECONDS = 60
# How long a call waits for another to be done, where every process is at work.
ROOM_SECONDS = 5
ROOM_LOOK_SECONDS = 0.05


class Full(Exception):
    """All children are at work."""


class Pool:
    Ended = Ended

    def __init__(self, config, here, environment, log):
        self._argv = command(here, config)
        self._environment = environment
        self._log = log
        self._most = max(2, int(config.get("processes") or MOST))
        self._memory = int(config.get("memoryMb") or 0) * 1024 * 1024
        # Session → child; None stands for the one that is shared.
        self._children = {}
        self._starting = {}
        # Session → how many requests have its child, or wait for it.
        self._uses = collections.Counter()
        self._silent = (config.get("silentMs") or SILENT_SECONDS * 1000) / 1000
        self._live = set()
        self._closed = False
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def shared(self, seconds=HANDSHAKE_SECONDS):
        """The child for calls that stand alone, as long as it is used; started when there is none. Raises Ended and Full."""
        return self._using(None, lambda child: child.shake(ALONE, seconds))

    def session(self, name, hello):
        """The child of a session, with the handshake that `hello` repeats where it is new. Raises Ended and Full."""
        return self._using(name, lambda child: child.shake(hello, HANDSHAKE_SECONDS))

    def running(self, name):
        """The child of a session, where it runs."""
        child = self._children.get(name)
        return child if child is not None and child.alive else None

    @contextlib.asynccontextmanager
    async def begin(self, name):
        """A new child for a session whose client is about to make the handshake."""
        await self.end(name)
        async with self._using(name, None) as child:
            yield child

    async def end(self, name):
        child = self._children.pop(name, None)
        if child is not None:
            await child.end()

    async def close(self):
        self._closed = True
        self._sweeper.cancel()
        self._children.clear()
        await asyncio.gather(*(child.end() for child in list(self._live)))

    @contextlib.asynccontextmanager
    async def _using(self, name, shake):
        self._uses[name] += 1
        try:
            yield await self._of(name, shake)
        finally:
            self._uses[name] -= 1
            if not self._uses[name]:
                del self._uses[name]

    async def _of(self, name, shake):
        starting = self._starting.get(name)
        if starting is None:
            child = self._children.get(name)
            if child is not None and child.alive:
                return child
            starting = asyncio.ensure_future(self._start(name, shake))
            self._starting[name] = starting
            starting.add_done_callback(lambda done: self._settled(name, done))
        # Who leaves while it starts must not take it from the others who wait.
        return await asyncio.shield(starting)

    def _settled(self, name, starting):
        del self._starting[name]
        # Whoever waits is told; that nobody does is no fault.
        starting.cancelled() or starting.exception()

    async def _start(self, name, shake):
        await self._room()
        if self._closed:
            raise Ended("the instance is stopping", [])
        child = Child(self._argv, self._environment, self._log, name is None, self._silent)
        self._live.add(child)
        child.ended.add_done_callback(lambda _: self._gone(name, child))
        await child.start()
        if self._closed:
            await child.end()
            raise Ended("the instance is stopping", [])
        self._children[name] = child
        try:
            if shake is not None:
                await shake(child)
        except BaseException:
            if self._children.get(name) is child:
                del self._children[name]
            await child.end()
            raise
        return child

    def _gone(self, name, child):
        self._live.discard(child)
        if self._children.get(name) is child:
            del self._children[name]

    async def _room(self):
        """Ends the child that has rested longest where one more would be too many, or too much. Raises Full."""
        until = time.monotonic() + ROOM_SECONDS
        while len(self._live) >= self._most or self._tight():
            resting = [(child.used, name or "", name) for name, child in self._children.items() if self._rests(name, child)]
            if resting:
                await self.end(min(resting, key=lambda one: one[:2])[2])
            elif time.monotonic() < until:
                await asyncio.sleep(ROOM_LOOK_SECONDS)
            else:
                raise Full(
                    f"All {len(self._live)} processes that this instance has room for are at work for other sessions. "
                    "Try again when one of them is done."
                )

    def _rests(self, name, child):
        return child.alive and not child.busy and not self._uses[name] and name not in self._starting

    def _tight(self):
        """Whether one more as large as the largest would not fit: the kernel would end one in the midst of its work."""
        if not self._memory or not self._live:
            return False
        sizes = [child.memory() for child in self._live]
        return sum(sizes) + max(sizes) > self._memory * SHARE

    async def _sweep(self):
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            oldest = time.monotonic() - IDLE_SECONDS
            for name, child in list(self._children.items()):
                if name is not None and child.used < oldest and self._rests(name, child):
                    await self.end(name)
