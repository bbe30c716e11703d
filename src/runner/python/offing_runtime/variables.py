"""Which environment variables code needed when it failed: told by the exception, by its words, or by the source."""

import ast
import os
import re

from . import faults, source, trace

NAME = re.compile(r"(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{2,}(?![A-Za-z0-9_])")
ENVIRONMENT = re.compile(r"env(ironment)?[ _-]?var(iable)?s?\b|\benvironment\b|\.env\b", re.I)
DEMAND = re.compile(
    r"not (been )?(set|found|provided|configured|defined|specified|present|available|exist)|unset|undefined|missing"
    r"|requir|must |need|please|\bset\b|empty|no value|could(n't| not)|without",
    re.I,
)
ALTERNATIVE = re.compile(r"([A-Z][A-Z0-9_]{2,})([`'\"]?,? or (?:the )?[`'\"]?)([A-Z][A-Z0-9_]{2,})")
MOST = 20

# Exceptions that do not say what they looked for (botocore.exceptions).
LIBRARIES = {
    "NoCredentialsError": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "NoRegionError": ("AWS_DEFAULT_REGION",),
}


def missing(error, code, said=()):
    """Names of the variables that are not set, in the order found. `said`: the last lines that the program printed."""
    for one in trace.chain(error):
        places = trace.own_frames(one, code)
        names = from_environ(one) or from_settings(one) or from_test(one, places, code)
        names = names or from_words(one, code, said) or from_none(one, places, code) or from_library(one, said)
        if names:
            names += [name for name in demanded(places, code) if unset(name)]
            return list(dict.fromkeys(names))[:MOST]
    return []


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


def from_settings(error):
    """Required fields of pydantic-settings (and of pydantic 1's BaseSettings), by the names that it looks for."""
    if type(error).__name__ != "ValidationError" or not type(error).__module__.startswith("pydantic"):
        return []
    try:
        fields = [e["loc"] for e in error.errors() if e["type"] in ("missing", "value_error.missing")]
        model = getattr(error, "model", None) or settings_class(getattr(error, "title", None))
        return [name for loc in fields for name in [setting_name(model, loc)] if name] if model else []
    except Exception:
        return []


def settings_class(title):
    import sys

    base = getattr(sys.modules.get("pydantic_settings"), "BaseSettings", None)
    waiting = [base] if base else []
    while waiting:
        one = waiting.pop()
        if one is not base and title in (one.__name__, one.model_config.get("title")):
            return one
        waiting.extend(one.__subclasses__())
    return None


def setting_name(model, loc):
    first = str(loc[0])
    if hasattr(model, "__fields__") and not hasattr(model, "model_fields"):
        for name, field in model.__fields__.items():
            if first in (name, field.alias):
                names = sorted(field.field_info.extra.get("env_names", ()))
                return names[0].upper() if names else None
        return None
    config = model.model_config
    prefix = config.get("env_prefix") or ""
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = [str(c) for c in getattr(alias, "choices", [alias] if alias else [])]
        if first != name and first not in choices:
            continue
        parts = [choices[0] if choices else prefix + name]
        delimiter = config.get("env_nested_delimiter")
        if delimiter and len(loc) > 1:
            parts += [str(part) for part in loc[1:]]
        text = (delimiter or "").join(parts)
        return text if config.get("case_sensitive") else text.upper()
    return None


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
        if not frames or not re.search(r"env", frames[-1][1].line or "", re.I):
            return []
    options = re.findall(r"[Mm]issing option '(--[\w-]+)", text)
    if options:
        return [name for option in options for name in source.behind_option(code, option) if unset(name)]
    found = named_in(text)
    if not found or not (DEMAND.search(text) or isinstance(error, KeyError)):
        return []
    read = source.read_by_source(code)
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
    if "None" not in text and not DEMAND.search(text) and not faults.UNREACHABLE.search(text):
        return []
    for place, frame in reversed(places):
        tree = source.tree_of(code, place)
        running = source.statements(tree, frame.lineno)
        names = source.given(running[-1], source.held_values(tree)) if running else []
        names = [name for name in names if unset(name)]
        if names:
            return names
    return []


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
    gave_up = any(source.is_exit(n) or re.search(r"die|fail|abort|exit|error|missing", ast.unparse(n.func)) for n in calls)
    return isinstance(error, SystemExit) and gave_up


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
