"""What could not be imported, and the edit that brings it."""

import os
import re
import sys

from . import modules, packages, trace


def missing(error, code, file):
    """(code, message, hint) of an import that failed; None for what other causes explain better."""
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
    if isinstance(error, ModuleNotFoundError) and type(error).__name__ == "PackageNotFoundError":
        return by_metadata(error, code, file)
    if not isinstance(error, ImportError) or not error.name:
        return None
    if not isinstance(error, ModuleNotFoundError) and not lacks_a_part(error):
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
    provided = modules.package_of(modules.wanted(error))
    if provided is None:
        return (
            "module_missing",
            f"The module {error.name!r} is not installed.",
            f"Several packages share that name: add the one that has what is imported from it to {file}, and deploy again.",
        )
    package, name, known = provided
    return (
        "module_missing",
        f"The module {name!r} is not installed.",
        f"{packages.addition(code, file, package)}, {'' if known else 'probably '}the package that provides it, and deploy "
        "again.",
    )


def lacks_a_part(error):
    """`from google import genai`, where another package has brought a part of that namespace."""
    apart = error.name in modules.NAMESPACES and "(unknown location)" in trace.text_of(error)
    return apart and modules.package_of(modules.wanted(error)) is not None


def by_metadata(error, code, file):
    """importlib.metadata was asked for a package that is not installed, whatever modules there are."""
    name = str(error.name)
    message = f"The package {name} is not installed under that name, so its version and metadata cannot be read."
    if packages.same(name, packages.own_name(code)):
        return (
            "metadata_missing",
            message,
            "It is the repository's own: give pyproject.toml a [build-system], so that the project itself is installed; or "
            "catch importlib.metadata.PackageNotFoundError there.",
        )
    return (
        "metadata_missing",
        message,
        f"{packages.addition(code, file, name)}; or catch importlib.metadata.PackageNotFoundError there.",
    )


def by_name(error, code, file):
    """A name that the installed version of some package has not."""
    match = re.search(r"cannot import name '(\w+)' from '([\w.]+)'", trace.text_of(error))
    if not isinstance(error, ImportError) or not match or trace.place_of(getattr(error, "path", None) or "<none>", code):
        return None
    name, module = match.groups()
    top = module.split(".")[0]
    package, version = packages.distribution_of(top)
    # A namespace: several packages bring parts of it, and none has the name.
    if getattr(sys.modules.get(module), "__file__", None) is None:
        return None
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
