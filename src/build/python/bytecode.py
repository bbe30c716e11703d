"""Gives every module below a folder its bytecode: `bytecode.py FOLDER [SIBLING...]`.

Run by an environment's interpreter with -I -S, so that nothing of the folder
runs. A module that is the same file in a SIBLING (hard-linked from the same
wheel) takes the bytecode from there, the others are compiled. A module that
this Python cannot compile stays without; importing it says why.
"""

import compileall
import concurrent.futures
import os
import py_compile
import sys

TAG = sys.implementation.cache_tag


def modules(folder):
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                yield path, name


def cached(path, name):
    return os.path.join(path, "__pycache__", f"{name[:-3]}.{TAG}.pyc")


def taken(folder, siblings, path, name):
    own = os.lstat(os.path.join(path, name))
    # What has one name only was copied, so it is no other's file.
    if own.st_nlink < 2:
        return False
    for sibling in siblings:
        place = os.path.normpath(os.path.join(sibling, os.path.relpath(path, folder)))
        try:
            there = os.lstat(os.path.join(place, name))
            if (there.st_ino, there.st_dev) != (own.st_ino, own.st_dev):
                continue
            os.makedirs(os.path.join(path, "__pycache__"), exist_ok=True)
            os.link(cached(place, name), cached(path, name))
            return True
        except OSError:
            continue
    return False


def compiled(batch):
    for file in batch:
        compileall.compile_file(file, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def main():
    folder, siblings = sys.argv[1], sys.argv[2:]
    missing = [os.path.join(path, name) for path, name in modules(folder) if not taken(folder, siblings, path, name)]
    if len(missing) < 32:
        return compiled(missing)
    try:
        with concurrent.futures.ProcessPoolExecutor() as pool:
            list(pool.map(compiled, [missing[i : i + 32] for i in range(0, len(missing), 32)]))
    except (ImportError, NotImplementedError, OSError):
        # A machine without shared semaphores has no pool.
        compiled(missing)


if __name__ == "__main__":
    main()
