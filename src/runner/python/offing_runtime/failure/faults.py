"""What the machine refused: files, connections, native libraries, memory; in words of what to change."""

import errno
import os
import re

from . import packages, source, trace

UNREACHABLE = re.compile(
    r"connection refused|connect call failed|name or service not known|temporary failure in name resolution"
    r"|nodename nor servname|getaddrinfo failed|could not translate host name|network is unreachable"
    r"|no route to host|all connection attempts failed|can't connect to|cannot connect to|failed to connect"
    r"|connection timed out|connect timeout|no servers found|serverselectiontimeout|unable to connect"
    r"|failed to resolve|name resolution|connection to server (at|on) .* failed",
    re.I,
)
HOSTS = (
    r"server (?:at|on) ['\"]([\w.-]+)['\"]",
    r"host name ['\"]([\w.-]+)['\"]",
    r"\bhost=['\"]?([\w.-]+)",
    r"connecting to ([\w.-]+:\d+)",
    r"\('([\w.:-]+)', (\d+)",
    r"\w+://(?:[^\s/@'\"]*@)?([\w.-]+(?::\d+)?)",
    r"\b([\w-]+(?:\.[\w-]+)+:\d+)",
    r"\b(localhost(?::\d+)?)",
)
LIBRARIES = {
    "libGL": ("opencv-python", "opencv-python-headless"),
    "libgthread": ("opencv-python", "opencv-python-headless"),
    "libpq": ("psycopg", "psycopg[binary]"),
    "libmagic": ("python-magic", "puremagic"),
}
DATABASE = r"[\"'](?:sqlite(?:\+\w+)?:/{2,4})?([\w./-]+\.(?:db|sqlite3?))[\"']"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def connection(error, code, file):
    """(host or None, message, hint) of a connection that could not be made."""
    words = f"{type(error).__name__} {trace.text_of(error)}"
    by_kind = isinstance(error, ConnectionError) or type(error).__name__ in ("gaierror", "ConnectError", "ConnectTimeout")
    if not by_kind and not UNREACHABLE.search(words):
        return None
    host = host_in(words) or asked(error) or next(
        (h for _, frame in reversed(trace.own_frames(error, code)) for h in [host_in(frame.line or "")] if h), None
    )
    message = f"The server could not connect{f' to {host}' if host else ''} when it started."
    name = (host or "").rsplit(":", 1)[0]
    if not re.match(r"localhost|127\.|0\.0\.0\.0|::1", name):
        return message, (
            "Connect at the first call that needs it, not when the server starts; and see that the host can be reached "
            "from here."
        )
    read = source.with_default(code, name) or ["DATABASE_URL"]
    return message, (
        f"{host} is the sandbox of the server itself, where nothing else listens: name a host that can be reached from "
        f"here in a variable (./offing env set SERVER {' '.join(f'{each}=VALUE' for each in dict.fromkeys(read))})."
    )


def host_in(words):
    match = next((m for pattern in HOSTS for m in [re.search(pattern, words)] if m), None)
    return ":".join(group for group in match.groups() if group) if match else None


def asked(error):
    """The host of an HTTP client's exception that knows its request (httpx, requests)."""
    try:
        url = error.request.url
        return getattr(url, "host", None) or host_in(str(url))
    except Exception:
        return None


def file(error, code, wanted):
    """(code, message, hint) of a file that could not be opened or written."""
    text = trace.text_of(error)
    if type(error).__module__ == "sqlite3" or "sqlite3.OperationalError" in text:
        if "unable to open database file" in text or "readonly database" in text:
            path = database_in(error, code)
            return (
                "code_read_only",
                f"The database file {path} cannot be written: the code's folder is read-only where it runs."
                if path
                else "The SQLite database file cannot be opened: the code's folder is read-only where it runs.",
                writable(path or "data.db"),
            )
    if not isinstance(error, OSError) or isinstance(error, ConnectionError):
        return None
    path = error.filename
    if not isinstance(path, (str, bytes)):
        return None
    path = path.decode("utf-8", "replace") if isinstance(path, bytes) else str(path)
    inside = trace.place_of(os.path.join(os.getcwd(), path), code)
    if error.errno in READ_ONLY and inside is not None:
        return (
            "code_read_only",
            f"{inside} cannot be written: the code's folder is read-only where it runs.",
            writable(inside),
        )
    if error.errno in READ_ONLY:
        return (
            "path_read_only",
            f"{path} may not be opened: a server has its own files only, and writes below its temporary folder.",
            writable(path),
        )
    if isinstance(error, FileNotFoundError):
        name = os.path.basename(path)
        if os.path.isabs(path) and inside is None:
            return (
                "file_missing",
                f"{path} does not exist: a server sees its own files only, and none of a machine's.",
                "Read what lies in the repository by the place of the code (Path(__file__).parent), and write below "
                "Path.home() or tempfile.gettempdir().",
            )
        there = next((p for p in found(code, name)), None) if name else None
        if there is not None and not os.path.isabs(path):
            frames = trace.own_frames(error, code)
            folder = os.path.dirname(frames[-1][0]) if frames else ""
            rest = os.path.relpath(there, folder or ".")
            return (
                "file_missing",
                f"{path} was not found: the server runs in the repository's root, and the file is {there}.",
                f'Name it by the place of the code: Path(__file__).parent / "{rest}".',
            )
        return (
            "file_missing",
            f"The file {path} does not exist where the server runs.",
            "Commit it, or make it when it is not there; what a secret file holds goes into a variable: "
            f"./offing env set SERVER NAME=- < {name or 'FILE'}",
        )
    return None


def writable(path):
    name = os.path.basename(path) or "data"
    return (
        f'Write it to the temporary folder: Path(tempfile.gettempdir()) / "{name}" (it is the instance\'s own, and is lost '
        "when that ends); what must last goes into a database that a variable names."
    )


def database_in(error, code):
    """The path in the author's line, else in the author's files, where it stands there."""
    for one in trace.chain(error):
        for _, frame in reversed(trace.own_frames(one, code)):
            match = re.search(DATABASE, frame.line or "")
            if match:
                return match.group(1)
    return next((match.group(1) for text in source.files(code) for match in [re.search(DATABASE, text)] if match), None)


def found(code, name):
    for folder, names in source.walk(code):
        if name in names:
            yield os.path.relpath(os.path.join(folder, name), code)


def library(error, code, wanted):
    """(message, hint) of a native library that this machine has not."""
    text = trace.text_of(error)
    if not isinstance(error, (ImportError, OSError)):
        return None
    match = re.search(r"(lib[\w+.-]+?)\.so[\w.]*: cannot open shared object|cannot load library '(lib[\w+.-]+)'", text)
    by_words = re.search(r"(?:find|libraries?:?) (libmagic|zbar|libpq)|no pq wrapper available", text)
    if not match and not by_words:
        return None
    name = (match.group(1) or match.group(2)) if match else (by_words.group(1) or "libpq")
    known = next((pair for start, pair in LIBRARIES.items() if name.startswith(start)), None)
    hint = (
        f"{packages.addition(code, wanted, known[1])}, and take {known[0]} out: it brings what it needs."
        if known
        else "Take a package whose wheels bring the library with them (often named -binary or -headless): a server is "
        "built from Python packages only, and this machine's own libraries are not part of it."
    )
    return f"The native library {name} is not there.", hint
