"""What a FastMCP server keeps for a session (`ctx.set_state`), under the gateway's name for it and beyond this instance.

FastMCP takes a store of the py-key-value protocol and has one in memory by
default. Here that default becomes Valkey, where the platform gives one: the
session goes on at the next instance. A store that the author chose stays.
"""

import json
import os
import sys

from . import valkey

# The gateway's name for the session of a client whose protocol has none.
HEADER = "offing-virtual-session"


def keep(kind, server):
    """Takes over the session state of a server and of those mounted in it. Nothing, where this version keeps none."""
    if kind != "fastmcp":
        return
    try:
        from fastmcp.server.context import Context
    except ImportError:
        return
    _name_sessions(Context)
    url, prefix = os.environ.get("OFFING_VALKEY_URL", ""), os.environ.get("OFFING_VALKEY_PREFIX", "")
    wire = valkey.Wire(url[len("unix://"):]) if url.startswith("unix://") and prefix else None
    for path, each in _servers(server, ""):
        try:
            _install(each, wire and Store(wire, f"{prefix}state:{path}:"))
        except AttributeError:
            # Another version keeps its store another way.
            pass


def _name_sessions(context):
    own = context.__dict__.get("session_id")
    if not isinstance(own, property) or own.fget is None:
        return

    def session_id(self):
        request = getattr(self.request_context, "request", None)
        return (request is not None and request.headers.get(HEADER)) or own.fget(self)

    context.session_id = property(session_id, doc=own.__doc__)


def _servers(source, path, depth=0):
    """The server and those that its providers hold, each with a path of names."""
    if hasattr(source, "_state_storage"):
        yield path, source
    held = getattr(source, "__dict__", {})
    for part in [*(held.get("providers") or ()), held.get("_inner"), held.get("server")]:
        if part is not None and depth < 8:
            name = getattr(part, "name", None) if hasattr(part, "_state_storage") else None
            yield from _servers(part, f"{path}/{name}" if name else path, depth + 1)


def _install(server, store):
    chosen = server._state_storage
    # FastMCP 4 makes its store and the adapter to it at first use; version 3 has made both.
    adapter = server.__dict__.get("_state_store")
    if adapter is None and chosen is None:
        server._state_storage = store or Passing(None)
    elif type(chosen).__name__ == "MemoryStore" and hasattr(adapter, "_key_value"):
        server._state_storage = adapter._key_value = store or Passing(chosen)


class Passing:
    """The store in memory, which says at its first use what it does not do."""

    def __init__(self, store):
        self._store = store
        self._said = False

    def __getattr__(self, name):
        if self._store is None:
            from key_value.aio.stores.memory import MemoryStore

            self._store = MemoryStore()
        return getattr(self._store, name)

    async def put(self, *rest, **given):
        if not self._said:
            self._said = True
            print("session state is kept in the memory of this instance only and ends with it: this machine has no "
                  "Valkey", file=sys.stderr)
        return await self.__getattr__("put")(*rest, **given)


class Store:
    """A store of the py-key-value protocol (AsyncKeyValue) over Valkey; values as JSON, keys below `prefix`."""

    def __init__(self, wire, prefix):
        self._wire = wire
        self._prefix = prefix

    def _key(self, key, collection):
        return f"{self._prefix}{collection or ''}:{key}"

    async def get(self, key, *, collection=None):
        return _read(await self._wire.command("GET", self._key(key, collection)))

    async def ttl(self, key, *, collection=None):
        """The value and the seconds that are left to it, None for no end."""
        left = await self._wire.command("PTTL", self._key(key, collection))
        value = await self.get(key, collection=collection)
        return (None, None) if value is None else (value, left / 1000 if left >= 0 else None)

    async def put(self, key, value, *, collection=None, ttl=None):
        words = ["SET", self._key(key, collection), _written(key, value)]
        if ttl is not None:
            words += ["PX", str(max(1, int(float(ttl) * 1000)))]
        await self._wire.command(*words)

    async def delete(self, key, *, collection=None):
        return bool(await self._wire.command("DEL", self._key(key, collection)))

    async def get_many(self, keys, *, collection=None):
        return [await self.get(key, collection=collection) for key in keys]

    async def ttl_many(self, keys, *, collection=None):
        return [await self.ttl(key, collection=collection) for key in keys]

    async def put_many(self, keys, values, *, collection=None, ttl=None):
        for key, value in zip(keys, values):
            await self.put(key, value, collection=collection, ttl=ttl)

    async def delete_many(self, keys, *, collection=None):
        return sum([await self.delete(key, collection=collection) for key in keys])


def _read(text):
    return None if text is None else json.loads(text)


def _written(key, value):
    try:
        return json.dumps(dict(value))
    except (TypeError, ValueError) as error:
        from key_value.aio.errors import SerializationError

        raise SerializationError(f"the value for {key!r} is not JSON: {error}") from error
