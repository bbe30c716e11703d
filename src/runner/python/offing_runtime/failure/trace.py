"""Exceptions as their author needs them: the chain, the author's own frames, bounded words."""

import os
import traceback

MOST_FRAMES = 30
LONGEST = 4000


def text_of(error):
    """The words of an exception, also of one whose `__str__` fails; at most LONGEST characters."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def members(error):
    """The exceptions of a group (of Python 3.11, or of the package exceptiongroup); none of any other."""
    inner = getattr(error, "exceptions", None)
    if not type(error).__name__.endswith("ExceptionGroup") or not isinstance(inner, (list, tuple)):
        return []
    return [one for one in inner if isinstance(one, BaseException)]


def chain(error):
    """The exception, then what caused it, groups taken apart; the outermost first."""
    found, waiting, seen = [], [error], set()
    while waiting and len(found) < 50:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        inner = members(one)
        if not inner:
            found.append(one)
        context = None if one.__suppress_context__ else one.__context__
        waiting = inner + [one.__cause__ or context] + waiting
    return found


def place_of(filename, code):
    """The path relative to the code; None for a file that is none of the author's."""
    if filename.startswith("<"):
        # `<frozen importlib._bootstrap>`, `<string>`: no file at all.
        return None
    root = os.path.realpath(code) + os.sep
    path = os.path.realpath(filename)
    if not path.startswith(root) or f"{os.sep}site-packages{os.sep}" in path:
        return None
    return path[len(root) :]


def own_frames(error, code):
    """The author's frames of one exception, outermost first, as (relative path, frame)."""
    frames = ((place_of(frame.filename, code), frame) for frame in traceback.extract_tb(error.__traceback__))
    return [(place, frame) for place, frame in frames if place is not None]


def shown(error, code):
    lines = []
    frames = own_frames(error, code)
    if frames:
        lines.append("Traceback (most recent call last):")
    left_out = len(frames) - MOST_FRAMES
    if left_out > 0:
        frames = frames[: MOST_FRAMES // 2] + [None] + frames[-MOST_FRAMES // 2 :]
    for entry in frames:
        if entry is None:
            lines.append(f"  … {left_out} more calls …")
            continue
        place, frame = entry
        lines.append(f'  File "{place}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            lines.append(f"    {frame.line}")
    if isinstance(error, SyntaxError) and error.filename:
        error.filename = place_of(error.filename, code) or error.filename
        lines.extend("".join(traceback.format_exception_only(type(error), error)).rstrip("\n").split("\n"))
    else:
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        words = text_of(error)
        lines.append(f"{name}: {words}" if words else name)
    return "\n".join(lines)


def trimmed(error, code):
    """The traceback with the author's frames only, paths relative to the code; causes come first, as Python has them."""
    blocks, seen = [], set()

    def add(one, depth):
        if one is None or id(one) in seen or depth > 10:
            return
        seen.add(id(one))
        if one.__cause__ is not None:
            add(one.__cause__, depth + 1)
            blocks.append("The above exception was the direct cause of the following exception:")
        elif one.__context__ is not None and not one.__suppress_context__:
            add(one.__context__, depth + 1)
            blocks.append("During handling of the above exception, another exception occurred:")
        inner = members(one)
        if len(inner) == 1 and one.__cause__ is None:
            # A group of one, as task groups make them, says nothing of its own.
            add(inner[0], depth + 1)
            return
        blocks.append(shown(one, code))
        for each in inner[:5]:
            add(each, depth + 1)

    add(error, 0)
    return "\n\n".join(block for block in blocks if block)
