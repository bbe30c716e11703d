"""Which environment variables code needed when it failed: told by the exception, by its words, or by the source."""

import ast
import os
import re

from . import faults, reads, settings, source, trace

NAME = re.compile(r"(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{2,}(?![A-Za-z0-9_])")
ENVIRONMENT = re.compile(r"env(ironment)?[ _-]?var(iable)?s?\b|\benvironment\b|\.env\b", re.I)
DEMAND = re.compile(
    r"not (been )?(set|found|provided|configured|defined|specified|present|available|exist)|unset|undefined|missing"
    r"|requir|must |need|please|\bset\b|empty|no value|could(n't| not)|without",
    re.I,
)
ALTERNATIVE = re.compile(r"([A-Z][A-Z0-9_]{2,})([`'\"]?,? or (?:the )?[`'\"]?)([A-Z][A-Z0-9_]{2,})")
# What an address is handed over as.
ADDRESS = re.compile(r"(^|_)(hosts?|hostname|urls?|uri|dsn|addr(ess)?|endpoint|servers?|brokers?|port|domain)(_|$)", re.I)
# Not as in "None of the nodes answered".
NOTHING = re.compile(r"\bNone(Type)?\b(?! of\b)")
MOST = 20

# Exceptions that do not say what they looked for (botocore.exceptions).
LIBRARIES = {
    "NoCredentialsError": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "NoRegionError": ("AWS_DEFAULT_REGION",),
}


def missing(error, code, said=()):
    """Names of the variables that are not set, in the order found. `said`: the last lines that the program printed."""
    if ended_well(error):
        return []
    for one in trace.chain(error):
        places = trace.own_frames(one, code)
        names = from_environ(one) or settings.missing(one) or from_test(one, places, code)
        names = names or from_words(one, code, said) or from_none(one, places, code) or from_library(one, said)
        if names:
            names += [name for name in demanded(places, code) if unset(name)]
            return list(dict.fromkeys(names))[:MOST]
    return []


def ended_well(error):
    """Whether a program ended itself without saying that it failed."""
    return isinstance(error, SystemExit) and (error.code is None or error.code == 0)


def unset(name):
    return not os.environ.get(name)


def from_environ(error):
    """`os.environ[...]`, of the author or of a library."""
    if not isinstance(error, KeyError) or not error.args or not isinstance(error.args[0], str):
        return []
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return []
    where = last.tb_frame.f_code
    by_os = where.co_name in ("__getitem__", "__delitem__") and where.co_filename.endswith(("<frozen os>", "os.py"))
    return [error.args[0]] if by_os and error.args[0] not in os.environ else []


def words_of(error, said):
    """What is said of a failure that may be about a variable; a program that ended itself said it before."""
    if isinstance(error, (NameError, AttributeError, SyntaxError, ImportError)):
        return ""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, str) else "\n".join(said)
    return trace.text_of(error)


def from_words(error, code, said):
    """Names in the message that the author's source reads; and those behind an option that a command line lacks."""
    text = words_of(error, said)
    if isinstance(error, KeyError) and text.strip("'\"").isidentifier():
        frames = trace.own_frames(error, code)
        if not frames or not re.search(r"\benviron\b|getenv", frames[-1][1].line or ""):
            return []
    options = re.findall(r"[Mm]issing option '(--[\w-]+)", text)
    if options:
        return [name for option in options for name in source.behind_option(code, option) if unset(name)]
    found = named_in(text)
    if not found or not (DEMAND.search(text) or isinstance(error, KeyError)):
        return []
    read = reads.names(code)
    return [name for name in found if name in read]


def from_library(error, said):
    """What a library reads for the author: names that the message itself calls environment variables."""
    known = LIBRARIES.get(type(error).__name__, ())
    text = words_of(error, said)
    if not known and DEMAND.search(text) and ENVIRONMENT.search(text):
        # Only what is clearly a name, and not a word in capitals.
        known = [name for name in named_in(text) if "_" in name]
    return [name for name in known if unset(name)]


def named_in(text):
    names = dict.fromkeys(NAME.findall(ALTERNATIVE.sub(r"\1", text)))
    return [name for name in names if unset(name)]


def from_none(error, places, code):
    """What the failing statement was given from the environment, and got nothing, where the error is about that."""
    if isinstance(error, (ImportError, SyntaxError, NameError, SystemExit)):
        return []
    text = trace.text_of(error)
    none, unreachable = NOTHING.search(text), faults.UNREACHABLE.search(text)
    if not none and not unreachable and not DEMAND.search(text):
        return []
    for place, frame in reversed(places):
        pairs = beside(place, frame, code)
        if not pairs:
            continue
        # A parameter that was handed over by its position has its name where it arrived.
        empty = without_value(error, place, frame, code) if len(pairs) == 1 else []
        found = []
        for parameter, name in pairs:
            known = [parameter] if parameter else empty
            told = any(mentions(text, word) for word in [*known, name])
            address = unreachable and any(ADDRESS.search(word) for word in [*known, name])
            if none or address or (told and not unreachable):
                found.append(name)
        if found:
            return found
    return []


def beside(place, frame, code):
    """(parameter or None, variable) of those that a running statement was given, and that are not set."""
    tree = source.tree_of(code, place)
    running = source.statements(tree, frame.lineno)
    pairs = source.given(running[-1], source.held_values(tree)) if running else []
    return [(parameter, name) for parameter, name in pairs if unset(name)]


def also_unset(error, code):
    """The variables that the statements were given which failed, and that are not set; whatever the failure is."""
    found = [name for each in trace.own_frames(error, code) for _, name in beside(*each, code)]
    return list(dict.fromkeys(found))[:MOST]


def without_value(error, place, frame, code):
    """The parameters that hold nothing in the function which this place called."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        here = step.tb_frame.f_code.co_filename
        if step.tb_lineno == frame.lineno and trace.place_of(here, code) == place:
            inner = step.tb_next.tb_frame
            made = inner.f_code
            names = made.co_varnames[: made.co_argcount + made.co_kwonlyargcount]
            held = [(name, inner.f_locals.get(name, 0)) for name in names]
            return [name for name, value in held if value is None or (isinstance(value, str) and not value)]
        step = step.tb_next
    return []


def mentions(text, word):
    """Whether a text has a name, be it in words: `api_key` in "no API key"."""
    parts = [re.escape(part) for part in word.split("_") if part]
    return bool(parts) and re.search(r"(?<![a-z0-9])" + "[ _-]?".join(parts) + r"(?![a-z0-9])", text, re.I) is not None


def from_test(error, places, code):
    """`if not KEY: raise …`, an assertion, or a call there that ended the program."""
    for place, frame in reversed(places):
        tree = source.tree_of(code, place)
        running = source.statements(tree, frame.lineno)
        if not running or not ends_here(error, running[-1], frame is places[-1][1]):
            continue
        held = source.held_values(tree)
        if isinstance(running[-1], ast.Assert):
            names = source.needed(running[-1].test, held, True)
        else:
            around = [n for n in running if isinstance(n, ast.If) and any(source.holds(s, frame.lineno) for s in n.body)]
            names = source.needed(around[-1].test, held, False) if around else []
        names = [name for name in names if unset(name)]
        if names:
            return names
    return []


def ends_here(error, statement, last):
    """Whether this statement gave up by itself, and did not fail at something else."""
    if isinstance(statement, ast.Raise):
        return last
    if isinstance(statement, ast.Assert):
        return last and isinstance(error, AssertionError)
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    return isinstance(error, SystemExit) and any(gives_up(call, error) for call in calls)


def gives_up(call, error):
    if not source.is_exit(call):
        return re.search(r"die|fail|abort|exit|error|missing", ast.unparse(call.func)) is not None
    # Of `sys.exit(main())` the code is that of what ran.
    inner = [n for argument in call.args for n in ast.walk(argument) if isinstance(n, ast.Call)]
    return not inner or isinstance(error.code, str)


def demanded(places, code):
    """What the bodies that were running need besides: read without a default, or tested and refused."""
    found = []
    for place, frame in places:
        tree = source.tree_of(code, place)
        held = source.held_values(tree)
        for node in source.body_at(tree, frame.lineno):
            if isinstance(node, ast.If):
                if any(isinstance(n, ast.Raise) or source.is_exit(n) for n in node.body):
                    found += source.needed(node.test, held, False)
            elif isinstance(node, ast.Assert):
                found += source.needed(node.test, held, True)
            elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Try, ast.For, ast.While)):
                found += [name for n in ast.walk(node) for name in [source.subscript(n)] if name]
    return found
