"""Why a server cannot be served, for its author."""


class Failure(Exception):
    """A server that cannot be served: what happened, and what its author can do."""

    def __init__(self, message, hint=None, trace=None, missing=(), code=None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.trace = trace
        self.missing = list(missing)
        self.code = code

    def told(self):
        return {
            "reason": "load",
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "traceback": self.trace,
            "missing": self.missing,
        }
