"""What seals the states that clients carry between the rounds of a call (2026-07-28, multi round-trip requests).

The SDK seals them with a key of its process, where the author chose none: a
state would be of no use once an instance was stopped for idleness, or went
down, while a person was thinking of an answer.
"""

from .entry import hooks


def keep(keys):
    """Makes the SDK take `keys` (hex, the newest first) in the place of a key of this process."""
    if keys:
        hooks.after_import({"mcp.server.request_state": lambda module: _share(module, keys)})


def _share(module, keys):
    security = getattr(module, "RequestStateSecurity", None)
    if security is None or not hasattr(security, "ephemeral"):
        return

    def ephemeral(cls, **given):
        return cls(keys=list(keys), **given)

    security.ephemeral = classmethod(ephemeral)
