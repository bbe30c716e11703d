"""Which packages there are, and the exact edit that declares one."""

import json
import os
import re
import sys

from . import source

# Modules that Python itself had: the first version without them.
REMOVED = {
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), (3, 12)),
    **dict.fromkeys(
        ("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "mailcap", "msilib", "nis", "nntplib")
        + ("ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib", "lib2to3"),
        (3, 13),
    ),
}


def nearest(code, start, *names):
    """The first of `names` in the folder `start` (relative) or one above it, relative to the code."""
    folder = start
    while True:
        for name in names:
            path = os.path.normpath(os.path.join(folder, name))
            if os.path.isfile(os.path.join(code, path)):
                return path
        if folder in ("", "."):
            return None
        folder = os.path.dirname(folder)


def content(code, path):
    return source.text_at(os.path.join(code, path))


def dependency_file(code, entrypoint="main.py"):
    """The file in which the project names its dependencies, in the order in which a build looks for it."""
    start = os.path.dirname(entrypoint)
    whole = nearest(code, start, "fastmcp.json")
    if whole and declares(content(code, whole)):
        return whole
    found = nearest(code, start, "requirements.txt", "pyproject.toml")
    if found:
        return found
    if re.search(r"^# /// script\s*$", content(code, entrypoint), re.M):
        return entrypoint
    return nearest(code, start, "Pipfile") or "requirements.txt"


def declares(text):
    try:
        environment = json.loads(text).get("environment") or {}
        return bool(environment.get("dependencies"))
    except (ValueError, AttributeError):
        return False


def declared(text, package):
    """The requirement on `package` as it stands in a file, or None."""
    name = re.escape(package).replace("\\-", "[-_.]")
    match = re.search(rf"(?im)(?:^|[\"'])\s*({name}(?:\[[^\]]*\])?(?![\w.-])[^\"'#;\n]*)", text)
    return match.group(1).strip() if match else None


def addition(code, file, package):
    """The edit that declares a package, as a sentence without its end."""
    text = content(code, file)
    folder = os.path.dirname(file)
    if file.endswith("pyproject.toml"):
        if "[tool.poetry" in text and "[project]" not in text:
            return f"Add {package} to [tool.poetry.dependencies] in {file} (poetry add {package})"
        lock = os.path.isfile(os.path.join(code, folder, "uv.lock"))
        return f'Add "{package}" to dependencies of [project] in {file}' + (f" (uv add {package})" if lock else "")
    if file.endswith("fastmcp.json"):
        return f'Add "{package}" to environment.dependencies in {file}'
    if file.endswith(".py"):
        return f'Add "{package}" to dependencies in the header of {file}'
    if file.endswith("Pipfile"):
        return f"Add {package} to [packages] in {file} (pipenv install {package})"
    there = os.path.isfile(os.path.join(code, file))
    return f"Add the line {package} to {file}" if there else f"Make a {file} with the line {package}"


def pinned(code, file, package, bound):
    """The edit that bounds a package's version (`bound`: `<2`, `>=2`), as a sentence without its end."""
    now = declared(content(code, file), package)
    if now is None:
        return addition(code, file, f"{package}{bound}")
    name = re.match(r"[\w.-]+(?:\[[^\]]*\])?", now).group(0)
    kept = [part.strip() for part in now[len(name) :].split(",") if part.strip()]
    if bound.startswith("<"):
        most = int(bound[1:])
        kept = [p for p in kept if p.startswith((">", "!")) and major(p) is not None and major(p) < most]
        wanted = name + ",".join([*kept, bound])
    else:
        wanted = name + bound
    return f"In {file}, write {wanted} in the place of {now}"


def major(specifier):
    match = re.search(r"\d+", specifier)
    return int(match.group(0)) if match else None


def installed(package):
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def distribution_of(module):
    """The package that brings an installed module, and its version; None and None where that is not known."""
    from importlib import metadata

    try:
        names = metadata.packages_distributions().get(module)
    except Exception:
        names = None
    return (names[0], installed(names[0])) if names else (None, None)


def own_name(code):
    """The name of the repository's own package, as its pyproject.toml has it, or None."""
    match = re.search(r"(?m)^name\s*=\s*[\"']([^\"'\n]+)[\"']", content(code, "pyproject.toml"))
    return match.group(1) if match else None


def same(one, other):
    """Whether two names are those of one package (PEP 503)."""
    return other is not None and re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def wished(code, file, package):
    """The edit that names another version of a package, as a sentence without its end."""
    now = declared(content(code, file), package)
    if now is None:
        return f"{addition(code, file, package)} with the version that it needs"
    return f"in {file}, give {now} the version that it needs"


def python_without(module):
    """The last Python that had a module which this one has not, or None."""
    gone = REMOVED.get(module)
    if gone is None or sys.version_info < gone:
        return None
    return f"{gone[0]}.{gone[1] - 1}"


def in_repository(code, module):
    """Where the repository itself has a module of this name: the folder that would have to be on the path."""
    for folder, names in source.walk(code):
        if f"{module}.py" in names or os.path.isfile(os.path.join(folder, module, "__init__.py")):
            return os.path.relpath(folder, code)
    return None
