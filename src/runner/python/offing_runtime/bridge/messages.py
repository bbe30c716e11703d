"""JSON-RPC messages in the lines that a program writes, among whatever else it prints there."""

import json
import re

# Braces in what was printed before a message, on its line, of which one may begin the message.
TRIES = 20
# Where an answer that is too deep to be read names its number.
HEAD = 1000
_NUMBER = re.compile(rb'"id"\s*:\s*(-?\d+|"(?:[^"\\]|\\.)*")')


def read(line):
    """(messages, the text that was no message) of a line in bytes."""
    try:
        found = _messages(line)
        if found is not None:
            return found, ""
        for start in _starts(line):
            found = _messages(line[start:])
            if found is not None:
                return found, _text(line[:start])
    except RecursionError:
        return _too_deep(line), _text(line)
    return [], _text(line)


def _starts(line):
    if b'"jsonrpc"' not in line:
        return
    yield max(0, line.rfind(b'{"jsonrpc"'))
    start = -1
    for _ in range(TRIES):
        start = line.find(b"{", start + 1)
        if start < 0:
            return
        yield start


def _too_deep(line):
    """A response to whoever waits for what cannot be read."""
    head = line[:HEAD]
    match = _NUMBER.search(head)
    if b'"jsonrpc"' not in head or b'"method"' in head or not match:
        return []
    error = {"code": -32000, "message": "The program's answer is nested too deeply to be read."}
    return [{"jsonrpc": "2.0", "id": json.loads(match.group(1)), "error": error}]


def _messages(data):
    try:
        value = json.loads(data)
    except ValueError:
        return None
    messages = value if isinstance(value, list) and value else [value]
    return messages if all(isinstance(one, dict) and one.get("jsonrpc") == "2.0" for one in messages) else None


def _text(data):
    return data.decode("utf-8", "replace").rstrip("\r\n")
