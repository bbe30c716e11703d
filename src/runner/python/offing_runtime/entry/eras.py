"""Tells which capabilities of a server that speaks both eras work in only one of them, by what their functions name.

`ctx.elicit()` and its like send a request to the client, which the stateless
era has not; an `InputRequiredResult` is an answer that only that era has.
Only compiled code is looked at: nothing of the server is run. Bounded, and
silent: what cannot be told is left out, and is learned from the first refusal.
"""

import functools
import os
import time
import types
import typing

_HANDSHAKE = frozenset(
    ("elicit", "elicit_form", "elicit_url", "elicit_with_validation", "create_message", "list_roots")
)
_STATELESS = frozenset(("InputRequiredResult", "input_responses"))

# A look at a large server must not hold up its start.
SECONDS = 0.2
MOST = 2000
# Characters of a name or an address.
_LONGEST = 300
# Of the server's own functions that one capability calls, directly or not.
_FUNCTIONS = 200


def of(kind, server, code):
    """A list of {"kind", "name", "era"}, kinds and names as a manifest has them. `code`: the folder of its code."""
    until = time.monotonic() + SECONDS
    code = os.path.join(code, "")
    found = []
    try:
        if kind == "fastmcp":
            capabilities = _of_providers(server)
        elif kind == "mcpserver":
            capabilities = _of_managers(server)
        else:
            return found
        for what, name, function in capabilities:
            if time.monotonic() > until or len(found) >= MOST:
                break
            era = _era(function, code) if len(name) <= _LONGEST else None
            if era is not None:
                found.append({"kind": what, "name": name, "era": era})
    except Exception:
        # Another version keeps its capabilities another way.
        pass
    return found


def _of_managers(server):
    """MCPServer keeps each kind in a manager, by its name or address."""
    for kind, held in (("tool", server._tool_manager._tools), ("prompt", server._prompt_manager._prompts),
                       ("resource", server._resource_manager._resources),
                       ("resource_template", server._resource_manager._templates)):
        for name, one in list(held.items()):
            yield kind, str(name), getattr(one, "fn", None)


_KINDS = {"Tool": ("tool", "name"), "Prompt": ("prompt", "name"), "Resource": ("resource", "uri"),
          "ResourceTemplate": ("resource_template", "uri_template")}


def _of_providers(source, depth=0):
    """FastMCP has providers, which hold components, other servers or other providers, and rename what they give."""
    if depth > 8:
        return
    rename = _renaming(vars(source).get("_transforms") or ())
    within = [*(vars(source).get("providers") or ()), vars(source).get("_inner"), vars(source).get("server")]
    for part in within:
        if part is not None:
            for kind, name, function in _of_providers(part, depth + 1):
                yield from rename(kind, name, function)
    for component in list((vars(source).get("_components") or {}).values()):
        for parent in type(component).__mro__:
            if parent.__name__ in _KINDS and parent.__module__.startswith("fastmcp."):
                kind, attribute = _KINDS[parent.__name__]
                yield from rename(kind, str(getattr(component, attribute)), getattr(component, "fn", None))
                break


def _renaming(transforms):
    """What these transforms make of a name; nothing, where one of them is not known."""

    def renamed(kind, name, function):
        for transform in transforms:
            called = type(transform).__name__
            if called == "Namespace":
                prefix = transform._prefix
                if kind in ("tool", "prompt"):
                    name = f"{prefix}_{name}"
                else:
                    scheme, mark, path = name.partition("://")
                    name = f"{scheme}{mark}{prefix}/{path}" if mark else name
            elif called == "ToolTransform":
                name = (kind == "tool" and getattr(transform._transforms.get(name), "name", None)) or name
            elif called != "Visibility":
                return
        yield kind, name, function

    return renamed


def _era(function, code):
    """The only era in which a function works; None for either, and where that cannot be told."""
    function = _plain(function)
    if function is None:
        return None
    named = {"InputRequiredResult"} if _returns_input_required(function) else set()
    waiting, seen = [function], set()
    while waiting and len(seen) < _FUNCTIONS:
        one = _plain(waiting.pop())
        if one is None or one in seen:
            continue
        seen.add(one)
        waiting += _enclosed(one)
        # What a library wraps around a function of the server's is looked through, not into.
        if _own(one, function, code):
            names = _names(one.__code__)
            named |= names
            waiting += _called(one, names)
    handshake, stateless = bool(named & _HANDSHAKE), bool(named & _STATELESS)
    if handshake == stateless:
        # Code that has both chooses by the connection.
        return None
    return "handshake" if handshake else "stateless"


def _own(one, capability, code):
    """Whether a function is of the server's code: in its folder, or where its project is installed, of its package."""
    if one.__code__.co_filename.startswith(code):
        return True
    package = _package(capability)
    return package not in ("fastmcp", "mcp", "") and package == _package(one)


def _package(function):
    return str(function.__globals__.get("__name__", "")).partition(".")[0]


def _plain(function):
    """The Python function within what a decorator, a method or a partial made of it; None for anything else."""
    for _ in range(20):
        # By its type alone: an object of the server's may answer anything else with code of its own.
        made = type(function)
        if made is types.FunctionType:
            if "__wrapped__" not in function.__dict__:
                return function
            function = function.__dict__["__wrapped__"]
        elif made in (types.MethodType, staticmethod, classmethod):
            function = function.__func__
        elif made is functools.partial:
            function = function.func
        else:
            return None
    return None


def _names(code):
    """Every name of a function's code, with those of the functions within it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _called(function, names):
    """The functions that these names can mean: of its module, and of the modules and classes that it names."""
    space = function.__globals__
    for name in names & space.keys():
        held = space[name]
        yield held
        if type(held) in (types.ModuleType, type):
            inside = vars(held)
            for other in names & inside.keys():
                yield inside[other]


def _enclosed(function):
    """What a function, such as a decorator's, holds of the function around it."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            # Not bound yet.
            pass


def _returns_input_required(function):
    """Whether its annotation says so, evaluated or as text."""
    waiting = [function.__annotations__.get("return")]
    for _ in range(50):
        if not waiting:
            break
        one = waiting.pop()
        if type(one) is str and "InputRequiredResult" in one:
            return True
        if isinstance(one, type) and type.__dict__["__name__"].__get__(one) == "InputRequiredResult":
            return True
        waiting += typing.get_args(one)
    return False
