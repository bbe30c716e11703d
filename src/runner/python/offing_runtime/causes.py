"""Looks for the cause of an exception, from what is known best to what is known least."""

import os
import re
import sys

from . import faults, lines, packages, trace, variables
from .explain import Failure
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
        for rule in (by_module, by_version, by_library, by_file, by_memory, by_connection):
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
        f"Set {'it' if one else 'them'}: ./offing env set SERVER {' '.join(f'{name}=…' for name in names)}",
        shown,
        names,
        "variable_missing",
    )


def wanted_file(error, code):
    frames = [frame for one in trace.chain(error) for frame in trace.own_frames(one, code)]
    return dependency_file(code, frames[0][0] if frames else "main.py")


def by_module(error, code, file):
    if isinstance(error, ImportError) and "attempted relative import" in trace.text_of(error):
        frames = trace.own_frames(error, code)
        place = frames[-1][0] if frames else "the entrypoint"
        folder = os.path.basename(os.path.dirname(place))
        name = f"from {folder}.… import" if folder else "from … import"
        return (
            "import_failed",
            f"{place} is loaded as a file, so that its relative import (from . import …) has no package to start from.",
            f"Write it from the package's name on: {name}; or name the program in [project.scripts] of pyproject.toml.",
        )
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return by_name(error, code, file)
    top = error.name.split(".")[0]
    if top in ("mcp", "fastmcp") and packages.installed(top):
        return None
    last = packages.python_without(top)
    if last is not None:
        with_package = "distutils" if top == "distutils" else None
        return (
            "module_missing",
            f"The module {top!r} is not part of Python any more since {last[:2]}{int(last[2:]) + 1}.",
            (f"{packages.addition(code, file, 'setuptools')}, which brings it; or " if with_package else "")
            + f"write {last} into a file .python-version at the root of the repository.",
        )
    own = packages.in_repository(code, top)
    if own is not None:
        return (
            "module_missing",
            f"The module {top!r} is in the repository, but the folder that holds it ({own}) is not on the path.",
            f"Add before the import: sys.path.insert(0, str(Path(__file__).resolve().parent{up(error, code, own)})); "
            "or give pyproject.toml a [build-system], so that the project itself is installed.",
        )
    package = packages.package_of(error.name)
    name = error.name if error.name.split(".")[0] in ("google", "azure") else top
    return (
        "module_missing",
        f"The module {name!r} is not installed.",
        f"{packages.addition(code, file, package)}, the package that provides it, and deploy again.",
    )


def by_name(error, code, file):
    """A name that the installed version of some package has not."""
    match = re.search(r"cannot import name '(\w+)' from '([\w.]+)'", trace.text_of(error))
    if not isinstance(error, ImportError) or not match or trace.place_of(getattr(error, "path", None) or "<none>", code):
        return None
    name, module = match.groups()
    top = module.split(".")[0]
    package, version = packages.distribution_of(top)
    if top in ("mcp", "fastmcp") or version is None:
        return None
    return (
        "version_mismatch",
        f"The installed {package} {version} has no {name!r} in {module}.",
        f"The code that imports it was written for another version: {packages.wished(code, file, package)}.",
    )


def up(error, code, own):
    """What leads from the author's file to a folder of the repository, in pathlib's words."""
    frames = trace.own_frames(error, code)
    here = os.path.dirname(frames[-1][0]) if frames else ""
    rest = os.path.relpath(own, here or ".")
    return "".join(".parent" if part == ".." else f' / "{part}"' for part in rest.split(os.sep) if part != ".")


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
    return found and ("connection_failed", *found)


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
