"""What the author's source says of the environment, read without running it."""

import ast
import os
import re

READS = re.compile(r"environ|getenv|dotenv|decouple|environs|envvar|BaseSettings")


def files(code):
    """The text of the author's Python files; bounded."""
    count, size = 0, 0
    for folder, folders, names in os.walk(code):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in ("node_modules", "site-packages"))
        for name in sorted(names):
            if not name.endswith(".py"):
                continue
            text = text_at(os.path.join(folder, name))
            count, size = count + 1, size + len(text)
            if count > 400 or size > 4_000_000:
                return
            yield text


def read_by_source(code):
    """The string constants in capitals of those files that read the environment."""
    found = set()
    for text in files(code):
        if READS.search(text):
            found.update(re.findall(r"[\"']([A-Z][A-Z0-9_]{2,})[\"']", text))
    return found


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
    try:
        return ast.parse(text_at(os.path.join(code, place)))
    except (SyntaxError, ValueError, RecursionError):
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
    """The variables that a statement reads or was given; of one with a body those of its head."""
    parts = [statement]
    if hasattr(statement, "body"):
        parts = [getattr(statement, name, None) for name in ("test", "iter", "subject")]
        parts += [item.context_expr for item in getattr(statement, "items", [])]
    found = []
    for node in (n for part in parts if part is not None for n in ast.walk(part)):
        name = plain_read(node) or subscript(node)
        if name is None and isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            name = held.get(ast.unparse(node))
        found += [name] if name else []
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
