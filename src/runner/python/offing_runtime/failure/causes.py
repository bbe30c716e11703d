"""Looks for the cause of an exception, from what is known best to what is known least."""

import re
import sys

from .. import lines
from . import Failure, faults, imports, packages, trace, variables
from .packages import dependency_file


def explain(error, code, what):
    """A Failure for an exception of the author's code. `what`: `importing main.py`, to go on after "while"."""
    shown = trace.trimmed(error, code)
    said = lines.recent()
    names = variables.missing(error, code, said)
    if names:
        return not_set(names, shown)
    all_of_it = trace.chain(error)
    file = wanted_file(error, code)
    for one in all_of_it:
        for rule in (imports.missing, by_version, by_library, by_file, by_memory, by_connection):
            found = rule(one, code, file)
            if found is not None:
                kind, message, hint = found
                return Failure(message, hint, shown, (), kind)
    first = all_of_it[0] if all_of_it else error
    if isinstance(first, SystemExit):
        return ended(first, code, what, shown, said)
    message = f"{type(first).__name__} while {what}: {trace.text_of(first)}"
    if isinstance(first, SyntaxError):
        python = ".".join(map(str, sys.version_info[:2]))
        return Failure(
            message,
            f"Mend the line that the traceback ends in. This is Python {python}: where the code needs a newer one, say so "
            "in requires-python of pyproject.toml, or in a file .python-version.",
            shown,
            (),
            "syntax_error",
        )
    if "cannot be called from a running event loop" in message:
        hint = "It is called within an event loop already: make the function async def, and await there what it runs."
        return Failure(message, hint, shown, (), "import_failed")
    if "lifespan" in what:
        hint = "What the lifespan does is done at every start: what may fail there is better done at the first call that needs it."
        return Failure(message, hint, shown, (), "lifespan_failed")
    hint = "The code must import without a database, a network or arguments: do such work in a lifespan or in a tool."
    return Failure(message, hint, shown, (), "import_failed")


def from_output(said, code):
    """A Failure for a program that ended itself after these lines, where they name variables; else None."""
    ended = SystemExit(1)
    names = variables.from_words(ended, code, said) or variables.from_library(ended, said)
    return not_set(names, "\n".join(said)) if names else None


def not_set(names, shown):
    one = len(names) == 1
    listed = names[0] if one else f"{', '.join(names[:-1])} and {names[-1]}"
    return Failure(
        f"The environment variable{'' if one else 's'} {listed} {'is' if one else 'are'} not set.",
        f"Set {'it' if one else 'them'}: ./offing env set SERVER {' '.join(f'{name}=VALUE' for name in names)}",
        shown,
        names,
        "variable_missing",
    )


def wanted_file(error, code):
    frames = [frame for one in trace.chain(error) for frame in trace.own_frames(one, code)]
    return dependency_file(code, frames[0][0] if frames else "main.py")


def by_version(error, code, file):
    """What exists in another major version of mcp or fastmcp only."""
    text = trace.text_of(error)
    module = getattr(error, "name", None) or ""
    if isinstance(error, ImportError) and module.split(".")[0] in ("mcp", "fastmcp"):
        package = module.split(".")[0]
        lacks = re.search(r"cannot import name '(\w+)'", text)
        wants = f"{module}.{lacks.group(1)}" if lacks else module
        lack = f"has no {lacks.group(1)!r} in {module}" if lacks else f"has no module {module!r}"
    elif isinstance(error, AttributeError) and owner(error) is not None:
        package, wants = owner(error), module
        lack = f"has no {module!r}: {text}"
    elif isinstance(error, TypeError) and re.match(r"(FastMCP|MCPServer|Server)(\.__init__)?\(\)", text):
        package = "fastmcp" if packages.installed("fastmcp") else "mcp"
        wants, lack = "", f"refuses an argument: {text}"
    else:
        return None
    version = packages.installed(package)
    if version is None or not trace.own_frames(error, code):
        return None
    number = int(version.split(".")[0])
    newer = "mcpserver" in wants.lower()
    bound = f">={number + 1}" if newer else f"<{number}"
    message = f"The installed {package} {version} {lack}."
    if isinstance(error, TypeError):
        return "version_mismatch", message, f"Take the argument out; or, for code of an older version: {packages.pinned(code, file, package, bound)}."
    return (
        "version_mismatch",
        message,
        f"The code was written for another major version. {packages.pinned(code, file, package, bound)}, or move to the "
        "new import.",
    )


def owner(error):
    kind = type(getattr(error, "obj", None))
    name = getattr(error.obj, "__name__", "") if kind.__name__ == "module" else kind.__module__
    top = name.split(".")[0]
    return top if top in ("mcp", "fastmcp") else None


def by_library(error, code, file):
    found = faults.library(error, code, file)
    return found and ("library_missing", *found)


def by_file(error, code, file):
    return faults.file(error, code, file)


def by_memory(error, code, file):
    if not isinstance(error, MemoryError):
        return None
    return (
        "out_of_memory",
        "The server used all of its memory while it started.",
        "Load less at import, or give every instance more: OFFING_MEMORY_MB=2048 ./offing up",
    )


def by_connection(error, code, file):
    found = faults.connection(error, code, file)
    if found is None:
        return None
    message, hint = found
    names = variables.also_unset(error, code)
    also = f" {' and '.join(names)}, which that line was given, {'is' if len(names) == 1 else 'are'} not set." if names else ""
    return "connection_failed", message, hint + also


def ended(error, code, what, shown, said):
    """The program ended itself: by arguments that it did not get, or for a reason that it may have printed."""
    exit_code = 0 if error.code is None else error.code
    wants = re.search(r"the following arguments are required: (.+)", "\n".join(said))
    words = f" It said: {said[-1]}" if said and not isinstance(error.code, str) else ""
    if wants or (error.code == 2 and any("usage:" in line.lower() for line in said)):
        names = wants.group(1) if wants else "its arguments"
        return Failure(
            f"The program parses a command line while {what}, and ended itself (exit code 2).{words}",
            f"Move argument parsing below if __name__ == \"__main__\": or into a factory; or give {names} in fastmcp.json: "
            '"deployment": {"args": ["…"]}.',
            shown,
            (),
            "program_ended",
        )
    return Failure(
        f"The program ended itself while {what} (exit code {exit_code!r}), so there is no server to serve.{words}",
        "Move sys.exit() and argument parsing below `if __name__ == \"__main__\":`; the server object must exist after a "
        "plain import.",
        shown,
        (),
        "program_ended",
    )
