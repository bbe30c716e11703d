"""Changes modules as they are imported, without importing them first: what a server does not use costs nothing."""

import importlib.abc
import importlib.util
import sys


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, change):
        self._loader = loader
        self._change = change

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        # The module's own loader is what its code may ask for data.
        module.__loader__ = module.__spec__.loader = self._loader
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, changes):
        self._changes = changes

    def find_spec(self, name, path=None, target=None):
        change = self._changes.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        spec.loader = _Loader(spec.loader, change)
        return spec


def after_import(changes):
    """
    Calls `changes[name](module)` right after the module `name` was imported; at once where it is already.
    Returns a function that ends this for what was not imported by then.
    """
    waiting = {}
    for name, change in changes.items():
        if name in sys.modules:
            change(sys.modules[name])
        else:
            waiting[name] = change
    finder = _Finder(waiting)
    sys.meta_path.insert(0, finder)

    def end():
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)

    return end
