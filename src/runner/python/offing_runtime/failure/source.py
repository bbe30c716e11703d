"""What the author's source says of the environment, read without running it."""

import ast
import os
import re

READS = re.compile(r"environ|getenv|dotenv|decouple|environs|envvar|env_var|starlette\.config|BaseSettings")
DEEPEST = 12


def walk(code):
    """(folder, names of files) of the author's folders, without hidden ones and those of installed packages."""
    for folder, folders, names in os.walk(code):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("node_modules", "site-packages"))
        if os.path.relpath(folder, code).count(os.sep) > DEEPEST:
            folders[:] = []
        yield folder, sorted(names)


def files(code):
    """The text of the author's Python files; bounded."""
    count, size = 0, 0
    for folder, names in walk(code):
        for name in names:
            if not name.endswith(".py"):
                continue
            text = text_at(os.path.join(folder, name))
            count, size = count + 1, size + len(text)
            if count > 400 or size > 4_000_000:
                return
            yield text


def with_default(code, host):
    """The variables that are read with a default that holds this host."""
    read = re.compile(r"(?:getenv|environ\.get)\(\s*[\"'](\w+)[\"']\s*,\s*f?[\"']([^\"'\n]*)[\"']")
    return [name for text in files(code) for name, default in read.findall(text) if host in default]


def behind_option(code, option):
    """The variable that a command-line option (of click) is read from."""
    pattern = re.compile(re.escape(option) + r"[\"'][^()]*envvar\s*=\s*\[?\s*[\"'](\w+)[\"']")
    return [name for text in files(code) for name in pattern.findall(text)]


def text_at(path):
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read(1_000_000)
    except OSError:
        return ""


def tree_of(code, place):
    return parsed(text_at(os.path.join(code, place)))


def parsed(text):
    """The tree of a file's text; an empty one for what is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def statements(tree, line):
    """The statements that hold a line, outermost first."""
    found = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and holds(n, line)]
    return sorted(found, key=lambda n: (n.lineno, -(n.end_lineno or n.lineno)))


def body_at(tree, line):
    """The statements of the function that was running, or of the module."""
    functions = [n for n in statements(tree, line) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    body = functions[-1].body if functions else tree.body
    return [inner for node in body for inner in (node.body if isinstance(node, ast.ClassDef) else [node])]


def held_values(tree):
    """What is assigned from a read without a default: `KEY`, `self.key` → the variable's name."""
    held = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            # Also what was made of it: `client = Client(os.getenv("KEY"))`.
            inner = node.value.args + [k.value for k in node.value.keywords] if isinstance(node.value, ast.Call) else []
            name = plain_read(node.value) or next((n for n in map(plain_read, inner) if n), None)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if name:
                    held[ast.unparse(target)] = name
    return held


def needed(test, held, ok):
    """The variables whose being set would make `test` come out as `ok`; of alternatives the first."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return needed(test.operand, held, not ok)
    parts, every = None, False
    if isinstance(test, ast.BoolOp):
        parts, every = test.values, isinstance(test.op, ast.And)
    elif isinstance(test, ast.Call) and ast.unparse(test.func) in ("all", "any") and len(test.args) == 1:
        parts, every = getattr(test.args[0], "elts", []), ast.unparse(test.func) == "all"
    if parts is not None:
        found = [needed(part, held, ok) for part in parts]
        return [name for names in found for name in names] if every == ok else next((n for n in found if n), [])
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        op, other = test.ops[0], test.comparators[0]
        if isinstance(op, (ast.In, ast.NotIn)):
            in_environment = ast.unparse(other).endswith("environ") and is_text(test.left)
            return [test.left.value] if in_environment and isinstance(op, ast.In) == ok else []
        nothing = isinstance(other, ast.Constant) and not other.value
        same = isinstance(op, (ast.Is, ast.Eq))
        return name_of(test.left, held) if nothing and same != ok else []
    return name_of(test, held) if ok else []


def name_of(node, held):
    name = plain_read(node) or held.get(ast.unparse(node))
    return [name] if name else []


def holds(node, line):
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def given(statement, held):
    """(parameter or None, variable) of all that a statement reads or was given; of one with a body of its head."""
    parts = [statement]
    if hasattr(statement, "body"):
        parts = [getattr(statement, name, None) for name in ("test", "iter", "subject")]
        parts += [item.context_expr for item in getattr(statement, "items", [])]
    nodes = [node for part in parts if part is not None for node in ast.walk(part)]
    parameters = {id(k.value): k.arg for k in nodes if isinstance(k, ast.keyword)}
    found = []
    for node in nodes:
        name = plain_read(node) or subscript(node)
        if name is None and isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            name = held.get(ast.unparse(node))
        found += [(parameters.get(id(node)), name)] if name else []
    return found


def plain_read(node):
    """The name in `os.getenv("X")` or `os.environ.get("X")`, with no default or an empty one."""
    if not isinstance(node, ast.Call) or not node.args or not is_text(node.args[0]):
        return None
    called = ast.unparse(node.func)
    if called.split(".")[-1] != "getenv" and not called.endswith("environ.get"):
        return None
    default = node.args[1] if len(node.args) > 1 else None
    if default is not None and not (isinstance(default, ast.Constant) and not default.value):
        return None
    return node.args[0].value


def subscript(node):
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_text(node.slice):
        return node.slice.value if ast.unparse(node.value).endswith("environ") else None
    return None


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_exit(node):
    node = node.value if isinstance(node, ast.Expr) else node
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("exit", "quit", "sys.exit", "os._exit")
