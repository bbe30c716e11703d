"""Which of several server objects in a file is the one to serve, by what the file does with them."""

import ast


def among(servers, statements, names):
    """
    Those of `servers` (name → object) that the file makes or runs, without what
    it only hands to another of them, as in `mcp.mount(sub)`; all where none is
    left. Where none has one of the `names`, those that it runs. And for those
    that it imports, the module: name → where from.
    """
    made, origins = set(), {}
    for node in _outside_functions(statements):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            origins.update((alias.asname or alias.name, module) for alias in node.names)
    ran, parts = set(), set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Global):
            made.update(node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _name(node.func.value) in servers:
            if node.func.attr.startswith("run"):
                ran.add(node.func.value.id)
            else:
                parts.update(map(_name, [*node.args, *(keyword.value for keyword in node.keywords)]))
    wanted = (made - parts) | ran
    chosen = {name: server for name, server in servers.items() if name in wanted} or servers
    if not any(name in chosen for name in names):
        chosen = {name: server for name, server in chosen.items() if name in ran} or chosen
    imported = {name: origins.get(name, origins.get("*")) for name in chosen if name not in made}
    return chosen, {name: origin for name, origin in imported.items() if origin}


def _name(node):
    return node.id if isinstance(node, ast.Name) else None


def _outside_functions(statements):
    queue = list(statements)
    while queue:
        node = queue.pop()
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield node
            queue.extend(ast.iter_child_nodes(node))
