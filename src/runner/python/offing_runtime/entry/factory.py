"""What a name in the entrypoint stands for: the server itself, or a function that makes it."""

import inspect

from ..failure import Failure
from ..failure.explain import explain
from .kinds import FACTORY_HINT, kind_of


def missing_arguments(function):
    """The names of the arguments that a call without any would miss."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind in kinds]


async def resolved(found, code):
    """Calls a factory, synchronous or not. The kind of the server and the server."""
    candidate = found.candidate
    kind = kind_of(candidate)
    if kind is not None:
        return kind, candidate
    what = "entrypoint"
    if not hasattr(candidate, "routes") and callable(candidate):
        needed = missing_arguments(candidate)
        if needed:
            raise Failure(
                f"The factory {found.name} needs the arguments {', '.join(needed)}, and nobody is there to give them.",
                "Give them defaults, for example from environment variables, or name a function without required "
                "arguments.",
                code="factory_arguments",
            )
        try:
            candidate = candidate()
            if inspect.isawaitable(candidate):
                candidate = await candidate
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            raise explain(error, code, "calling the factory") from None
        kind = kind_of(candidate)
        what = "factory"
    if kind is not None:
        return kind, candidate
    if hasattr(candidate, "routes"):
        raise Failure(
            f"The {what} {found.name} gives a web application ({type(candidate).__name__}), which is no MCP server.",
            "Name the server object itself, the one whose http_app() or streamable_http_app() the application holds.",
        )
    raise Failure(
        f"The {what} {found.name} gives a {type(candidate).__name__}, which is no MCP server.",
        FACTORY_HINT,
        code="server_object_missing",
    )
