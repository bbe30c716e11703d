"""The headers of a request to a server: what the platform says with them, and what the server's SDK understands."""


class Headers:
    def __init__(self):
        self._revisions = _revisions()

    def read(self, given):
        """The handshake, the session's name, and the headers for the server: in a revision that it knows."""
        hello = name = None
        kept = []
        for key, value in given:
            lower = key.lower()
            if lower == b"offing-session":
                hello = value
                continue
            if lower == b"mcp-session-id":
                name = value.decode("latin-1")
            elif lower == b"mcp-protocol-version":
                value = self._known(value.decode("latin-1")).encode()
            kept.append((key, value))
        return hello, name, kept

    def _known(self, revision):
        """The revision itself, or for a handshake revision that is newer than this SDK the newest that it knows."""
        if not self._revisions or revision in self._revisions or revision >= "2026":
            return revision
        return max((known for known in self._revisions if known < "2026"), default=revision)


def _revisions():
    try:
        from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS
    except ImportError:
        try:
            from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS as SUPPORTED_PROTOCOL_VERSIONS
        except ImportError:
            return frozenset()
    return frozenset(map(str, SUPPORTED_PROTOCOL_VERSIONS))


def modern(headers):
    """Whether a request is of the stateless era."""
    return any(key == b"mcp-protocol-version" and value >= b"2026" for key, value in headers)


def without(headers, name):
    return [pair for pair in headers if pair[0].lower() != name]


def replaced(headers, name, value):
    return [*without(headers, name), (name, value)]
