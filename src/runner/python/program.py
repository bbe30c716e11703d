"""Runs a server's program as its author would, for the bridge, on the standard input and output it was given.

argv: a descriptor, to which goes as JSON why the program failed, where it did;
before it JSON of `{"mode", "code", "entrypoint", "object", "pythonPath", "program",
"argv"}`. `program`: a console script's `package.module:function`, else the
entrypoint runs as `__main__`. Mode `object`: the server object that loading
gives is run.
"""

import importlib
import json
import os
import sys

# What a pipe takes without a reader, in bytes, and so much of it for each of the words, in characters.
LONGEST = 60_000
LONGEST_WORDS = 4000


def main():
    config, tell = json.loads(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(tell, False)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [here] + [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    from offing_runtime.entry import place, standard
    from offing_runtime.failure import explain

    sys.path.remove(here)
    sys.dont_write_bytecode = True
    place.prepare(config)
    standard.force()
    try:
        run(config, place, standard)
    except explain.Failure as failure:
        say(tell, failure.told())
        raise
    except BaseException as error:
        ended = isinstance(error, KeyboardInterrupt) or isinstance(error, SystemExit) and error.code in (None, 0)
        if not ended:
            failure = explain.explain(error, config["code"], f"running {config['program'] or config['entrypoint']}")
            # An exit code alone says less than the lines that the program printed.
            if failure.missing or not isinstance(error, SystemExit):
                say(tell, failure.told())
        raise


def say(tell, told):
    """Writes it whole, the end of a long traceback only: nobody reads before this process has ended."""
    told = {key: value[:LONGEST_WORDS] if isinstance(value, str) and key != "traceback" else value
            for key, value in told.items()}
    while True:
        data = json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")
        if len(data) <= LONGEST or not told["traceback"]:
            break
        told["traceback"] = told["traceback"][len(told["traceback"]) // 2 + 1 :]
    os.write(tell, data)


def run(config, place, standard):
    if config["mode"] == "object":
        standard.run_object(config)
    elif config["program"]:
        module, _, function = config["program"].partition(":")
        target = importlib.import_module(module)
        for part in function.split("."):
            target = getattr(target, part)
        sys.argv[0] = function
        sys.exit(target())
    else:
        run_file(place.path_of(config), config["code"], place)


def run_file(path, code, place):
    """Executes a file as `__main__`, within its package where it has one."""
    package, parent = place.package_of(path, code)
    if package is not None:
        place.import_package(package, parent)
    with open(path, "rb") as file:
        compiled = compile(file.read(), path, "exec")
    module = type(sys)("__main__")
    module.__file__ = path
    module.__package__ = package
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    exec(compiled, module.__dict__)


main()
