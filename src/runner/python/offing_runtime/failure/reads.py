"""Which variables the author's source reads from the environment, by name, told from its syntax."""

import ast
import re

from . import source

NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}")
# `os.environ` itself, a copy of it, and what stands in for it.
WHOLE = re.compile(r"(dict\(|copy\.copy\()?(os\.)?environ(\.copy\(\))?\)?|(\w+\.)?dotenv_values\(.*\)")
# Packages that read the environment at a call, as in `config("NAME")` and `env.str("NAME")`.
READERS = ("decouple", "environs", "environ", "starlette.config")
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def names(code):
    """What is asked of the environment, directly or by a function of the author's; and fields of BaseSettings."""
    found, wrappers, seen = set(), {}, []
    for text in source.files(code):
        if source.READS.search(text):
            seen.append(Reads(source.parsed(text)))
    for reads in seen:
        for asked, scopes in reads.asked:
            found |= reads.constants(asked, scopes, wrappers)
        found |= reads.settings
    # What such a function is called with, in every file; once more for one that calls another.
    for _ in range(2):
        known = dict(wrappers)
        if not known:
            break
        calls = re.compile(r"\b(" + "|".join(map(re.escape, known)) + r")\s*\(")
        for text in source.files(code):
            if not calls.search(text):
                continue
            reads = Reads(source.parsed(text))
            for call, scopes in reads.calls:
                for asked in handed(call, known.get(called(call))):
                    found |= reads.constants(asked, scopes, wrappers)
    return {name for name in found if NAME.fullmatch(name)}


def called(call):
    return ast.unparse(call.func).split(".")[-1]


def handed(call, parameter):
    """What a call hands over as one parameter of its function: (position, name)."""
    if parameter is None:
        return []
    position, name = parameter
    return call.args[position : position + 1] + [k.value for k in call.keywords if k.arg == name]


class Reads(ast.NodeVisitor):
    """The reads of one file, each with the scopes around it; and what every name of a scope was given."""

    def __init__(self, tree):
        self.asked, self.calls, self.settings = [], [], set()
        self.scopes = [(tree, {})]
        self.whole, self.readers = set(), set()
        for node in ast.walk(tree):
            self.note(node)
        self.visit(tree)

    def note(self, node):
        """Names that stand for the environment, or for what reads it, wherever in the file they are made."""
        if isinstance(node, ast.ImportFrom) and node.module in READERS:
            self.readers.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            self.readers.update(alias.asname or alias.name for alias in node.names if alias.name in READERS)
        elif isinstance(node, ast.Assign):
            made = ast.unparse(node.targets[0])
            if self.is_whole(node.value):
                self.whole.add(made)
            elif isinstance(node.value, ast.Call) and root(node.value) in self.readers:
                self.readers.add(made)

    def is_whole(self, node):
        text = ast.unparse(node)
        return text in self.whole or WHOLE.fullmatch(text) is not None

    def is_reader(self, function):
        if isinstance(function, ast.Attribute) and function.attr in ("get", "pop", "setdefault", "__getitem__"):
            if self.is_whole(function.value):
                return True
        text = ast.unparse(function)
        return text.split(".")[-1] in ("getenv", "getenvb") or root(function) in self.readers

    def generic_visit(self, node):
        inner = isinstance(node, SCOPES)
        if inner:
            self.scopes.append((node, {}))
        if isinstance(node, ast.Assign):
            self.bind(node.targets, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            self.bind([node.target], node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self.bind([node.target], node.iter)
        for loop in getattr(node, "generators", []):
            self.bind([loop.target], loop.iter)
        super().generic_visit(node)
        if inner:
            self.scopes.pop()

    def bind(self, targets, value):
        for target in targets:
            for node in ast.walk(target):
                name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
                if name:
                    self.scopes[-1][1].setdefault(name, []).append(value)

    def ask(self, node):
        self.asked.append((node, tuple(self.scopes)))

    def visit_Call(self, node):
        self.calls.append((node, tuple(self.scopes)))
        if node.args and self.is_reader(node.func):
            self.ask(node.args[0])
        elif len(node.args) > 1 and called(node) == "map" and self.is_reader(node.args[0]):
            self.ask(node.args[1])
        for keyword in node.keywords:
            if keyword.arg in ("envvar", "env_var"):
                self.ask(keyword.value)
        self.generic_visit(node)

    def visit_Subscript(self, node):
        if self.is_whole(node.value):
            self.ask(node.slice)
        self.generic_visit(node)

    def visit_Compare(self, node):
        if isinstance(node.ops[0], (ast.In, ast.NotIn)) and self.is_whole(node.comparators[0]):
            self.ask(node.left)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        # `REQUIRED - os.environ.keys()`
        if isinstance(node.op, ast.Sub) and re.search(r"\bos\.environ\b", ast.unparse(node.right)):
            self.ask(node.left)
        self.generic_visit(node)

    def visit_ClassDef(self, node):
        if any(ast.unparse(base).split(".")[-1] == "BaseSettings" for base in node.bases):
            self.settings |= settings_of(node)
        self.generic_visit(node)

    def constants(self, node, scopes, wrappers, depth=0):
        """The strings that an argument can be; a parameter makes its function one of `wrappers`."""
        found = {n.value for n in ast.walk(node) if source.is_text(n)}
        for name in {getattr(n, "id", None) or getattr(n, "attr", None) for n in ast.walk(node)} - {None}:
            for index in range(len(scopes) - 1, -1, -1):
                scope, bound = scopes[index]
                position = parameter(scope, name)
                if position is not None:
                    wrappers.setdefault(scope.name, (position, name))
                    break
                if name in bound:
                    if depth < 3:
                        for value in bound[name]:
                            found |= self.constants(value, scopes[: index + 1], wrappers, depth + 1)
                    break
        return found


def root(node):
    """The name that an expression starts with: `env` of `env.str`, `Env` of `Env().str`."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def parameter(scope, name):
    """The position at which a caller hands over a parameter of a function; None where it has none of that name."""
    if not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    every = [a.arg for a in scope.args.posonlyargs + scope.args.args]
    every = every[1:] if every[:1] in (["self"], ["cls"]) else every
    every += [a.arg for a in scope.args.kwonlyargs]
    return every.index(name) if name in every else None


def settings_of(node):
    """The variables of a class of pydantic settings: its fields' names, and those it names itself."""
    prefix = next((k.value.value for n in ast.walk(node) for k in getattr(n, "keywords", []) if is_prefix(k)), "")
    fields = [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    named = [n.value for n in ast.walk(node) if source.is_text(n)]
    return {(prefix + field).upper() for field in fields} | set(named)


def is_prefix(keyword):
    return keyword.arg == "env_prefix" and source.is_text(keyword.value)
