"""What an instance knows of the client of a session that it opens itself: the parameters of `initialize`."""

import base64
import json

# The platform's own, where a call that stands alone needs a session: asked for in the newest revision with a handshake,
# which an older server answers with its own.
ALONE = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "offing", "version": "1"}, "capabilities": {}}
_KINDS = {"protocolVersion": str, "clientInfo": dict, "capabilities": dict}


def read(header):
    """The parameters that the header `offing-session` (base64url of JSON; text or bytes) carries. Raises ValueError."""
    data = header.encode() if isinstance(header, str) else header
    try:
        said = json.loads(base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4)))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(said, dict) or not all(isinstance(said.get(key), kind) for key, kind in _KINDS.items()):
        raise ValueError("it names no protocolVersion, clientInfo and capabilities")
    return {key: said[key] for key in _KINDS}
