"""What went wrong while a server was loaded, in words that say what its author can do.

Imported at every start, so that what looks for the cause is imported only when there is one to look for.
"""

from . import Failure


def explain(error, code, what):
    """A Failure for an exception of the author's code. `what`: `importing main.py`, to go on after "while"."""
    from . import causes

    try:
        return causes.explain(error, code, what)
    except Exception as ours:
        return Failure(f"{type(error).__name__} while {what} (and explaining it failed: {type(ours).__name__})")


def from_output(said, code):
    """A Failure for a program that ended itself after these lines, where they name what it needs; else None."""
    from . import causes

    return causes.from_output(said, code)
