"""Where the code of a server lies: the module search path, its arguments, and the package that a file belongs to."""

import importlib.util
import os
import sys

# A folder of the repository with one of these names must not replace the package that servers are written with.
NEVER_OURS = ("mcp", "fastmcp")


def path_of(config):
    """The entrypoint's absolute path."""
    return os.path.normpath(os.path.join(config["code"], config["entrypoint"]))


def prepare(config):
    """Sets sys.path and sys.argv as the file would find them when its author runs it."""
    code, path = config["code"], path_of(config)
    folders = [os.path.dirname(path)] + [os.path.normpath(os.path.join(code, f)) for f in config["pythonPath"]]
    ahead = list(dict.fromkeys(folders))
    # The root comes last: a folder `mcp` there must not hide the installed package.
    behind = [] if code in ahead else [code]
    sys.path[:] = ahead + [entry for entry in sys.path if entry not in ahead and entry != code] + behind
    sys.argv = [path, *(config.get("argv") or [])]


def package_of(path, code):
    """The dotted name of the package that the file lies in, and its outermost folder's parent; or None and None."""
    names = []
    folder = os.path.dirname(path)
    while folder != code and os.path.isfile(os.path.join(folder, "__init__.py")):
        if not os.path.basename(folder).isidentifier():
            return None, None
        names.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    if not names or names[0] in NEVER_OURS or names[0] in getattr(sys, "stdlib_module_names", ()):
        return None, None
    return ".".join(names), folder


def import_package(name, parent):
    """
    Imports each package of the dotted name from the checkout, so that relative
    imports work and so do absolute ones of the package itself, although its
    parent folder need not be on sys.path.
    """
    done = []
    for part in name.split("."):
        done.append(part)
        dotted = ".".join(done)
        if dotted in sys.modules:
            continue
        folder = os.path.join(parent, *done)
        spec = importlib.util.spec_from_file_location(
            dotted, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[dotted] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(dotted, None)
            raise
        if len(done) > 1:
            setattr(sys.modules[".".join(done[:-1])], part, module)


def module_name(path):
    return os.path.splitext(os.path.basename(path))[0]
