"""Says where a server is held up that does not get ready in its time."""

import os
import sys
import threading
import time

MARGIN_SECONDS = 0.4

_over = threading.Event()


def watch(config, channel):
    """Tells of it shortly before the time to start is over, and ends this process; until `over` is called."""
    limit = config.get("startMs", 0) / 1000
    left = config["began"] + limit - MARGIN_SECONDS - time.time()
    if left <= 0:
        return

    def wait():
        if _over.wait(left):
            return
        channel.send({"failed": {"reason": "timeout", **told(config["code"], limit)}})
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(3)

    threading.Thread(target=wait, name="offing-start", daemon=True).start()


def over():
    _over.set()


def told(code, limit):
    from .failure import trace

    where = running(code, trace) or suspended(code, trace)
    lines = ["The server was doing this:"]
    for place, line, name, text in where:
        lines.append(f'  File "{place}", line {line}, in {name}')
        if text:
            lines.append(f"    {text}")
    at = f": it was still in {where[-1][0]}, line {where[-1][1]}" if where else ""
    return {
        "code": None,
        "message": f"The server was not ready after {limit:g} seconds{at}.",
        "hint": "Move slow work out of the import and the lifespan, into the first call that needs it.",
        "traceback": "\n".join(lines) if where else None,
        "missing": [],
    }


def running(code, trace):
    """The author's frames of the main thread."""
    import traceback

    frame = sys._current_frames().get(threading.main_thread().ident)
    found = [(trace.place_of(f.filename, code), f) for f in traceback.extract_stack(frame)] if frame else []
    return [(place, f.lineno, f.name, f.line) for place, f in found if place is not None]


def suspended(code, trace):
    """The author's coroutines that wait for something, such as a lifespan."""
    import gc
    import linecache

    found = []
    for one in gc.get_objects():
        frame = getattr(one, "cr_frame", None) or getattr(one, "ag_frame", None) if is_coroutine(one) else None
        place = trace.place_of(frame.f_code.co_filename, code) if frame is not None else None
        if place is not None and frame.f_lasti > 0:
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            found.append((place, frame.f_lineno, frame.f_code.co_name, text))
    return found[-20:]


def is_coroutine(one):
    return type(one).__name__ in ("coroutine", "async_generator")
