"""What the versions of the MCP SDK need so that a session on HTTP has the gateway's id, and behaves as on stdio."""

import asyncio
import contextlib
import contextvars
import inspect
import json
import logging

# The id of the session that the present request belongs to; None: it stands alone.
named = contextvars.ContextVar("offing_session", default=None)
# Takes the transport that serves the present request, where that stands alone.
_serving = contextvars.ContextVar("offing_serving", default=None)


# More than any gateway lets through.
BODY_BYTES = 1 << 30
CANCEL_SECONDS = 5


class _Id:
    def __init__(self, text):
        self.hex = text


def prepare(module):
    """
    Lets the session managers of `mcp.server.streamable_http_manager` decide by
    request whether there is a session, and take the gateway's id for a new one.
    None where this version does not know sessions, or not this way.
    """
    manager = module.StreamableHTTPSessionManager
    if not hasattr(manager, "_handle_stateful_request") or not hasattr(module, "uuid4"):
        return None
    real = module.uuid4
    managers = []

    def stateless(self):
        if not managers or managers[-1] is not self:
            managers[:] = [self]
        return named.get() is None

    manager.stateless = property(stateless, lambda self, value: None)
    _unbound(manager)
    module.uuid4 = lambda: _Id(named.get()) if named.get() else real()
    transport = getattr(module, "StreamableHTTPServerTransport", None)
    if transport is not None:
        _contain(transport, managers)
    _apply(managers)
    return Kept(managers, hasattr(transport, "terminate"))


def _unbound(manager):
    """Bodies are bounded by the gateway; a second bound below its own would refuse what it lets through."""
    name = "max_request_body_size"
    if name in inspect.signature(manager.__init__).parameters:
        init = manager.__init__
        manager.__init__ = lambda self, *rest, **given: init(self, *rest, **{**given, name: BODY_BYTES})


class Kept:
    """What this version of the SDK can. `ends_alone`: a request without a session leaves nothing behind."""

    def __init__(self, managers, ends_alone):
        self._managers = managers
        self.ends_alone = ends_alone

    async def cancel(self, session, bodies):
        """Cancels the requests of a session that ends: nobody can get their answers any more."""
        for manager in self._managers:
            transport = getattr(manager, "_server_instances", {}).get(session)
            for body in list(bodies) if transport is not None else ():
                await _cancel([transport], body)

    async def end(self, session):
        """Ends a session, and what some versions would remember of it."""
        for manager in self._managers:
            transport = getattr(manager, "_server_instances", {}).pop(session, None)
            if transport is not None:
                await _terminate(transport)

    def knows(self, session):
        return any(session in getattr(manager, "_server_instances", {session}) for manager in self._managers)


def _apply(managers):
    """What a handler sends goes out on the stream of the request that it handles."""

    def open_still(request, session):
        """A request's id while its stream is open; what comes later goes out on its session's stream that stands."""
        if request is None:
            return None
        for manager in managers:
            transport = getattr(manager, "_server_instances", {}).get(session)
            streams = getattr(transport, "_request_streams", None)
            if streams is not None and request not in streams and str(request) not in streams:
                return None
        return request

    try:
        from mcp.server.session import ServerSession
        from mcp.shared.message import ServerMessageMetadata
    except ImportError:
        return
    try:
        from mcp.server.lowlevel.server import request_ctx
    except ImportError:

        def proxied(session):
            connection = getattr(session, "_connection", None)
            return open_still(_proxied(session), getattr(connection, "session_id", None))

        _relate(ServerSession, ServerMessageMetadata, proxied)
        return

    def handled(session):
        context = request_ctx.get(None)
        # As text, since the SDK 1.x takes the number 0 for none; it looks the stream up by the text.
        if context is None or context.session is not session:
            return None
        return open_still(str(context.request_id), named.get())

    _relate(ServerSession, ServerMessageMetadata, handled)
    logging.getLogger("mcp.server.streamable_http").addFilter(_not_the_end)


def _not_the_end(record):
    """Some versions tell of every session's end as of an error, with a traceback."""
    return not record.exc_info or getattr(record.exc_info[0], "__name__", "") != "ClosedResourceError"


def _proxied(session):
    """The SDK 2 makes a session object per request; only in the handshake era may anything ride on its answer."""
    if str(getattr(session, "protocol_version", "2026")) >= "2026":
        return None
    outbound = getattr(session, "_request_outbound", None)
    return getattr(outbound, "request_id", None)


def _relate(session_class, metadata_class, handled):
    """
    A message that a handler sends without saying to which request it belongs
    would go to a stream that nobody has opened: it belongs to the request that
    is being handled.
    """
    send_request, send_notification = session_class.send_request, session_class.send_notification

    async def request(self, request, result_type, *rest, metadata=None, **more):
        if len(rest) < 2 and getattr(metadata, "related_request_id", None) is None:
            related = handled(self)
            if related is not None:
                metadata = metadata_class(related_request_id=related)
        if metadata is not None:
            more["metadata"] = metadata
        return await send_request(self, request, result_type, *rest, **more)

    async def notification(self, notification, related_request_id=None):
        if related_request_id is None:
            related_request_id = handled(self)
        return await send_notification(self, notification, related_request_id)

    session_class.send_request = request
    session_class.send_notification = notification


def _contain(transport, managers):
    """
    A session that ends with an error ends alone: it would take all the others
    with it, in most versions where the error is no Exception, as in PyO3's
    PanicException, and in some with any. It is then known no more, and who waits
    for an answer in it waits no longer. `transport`: the SDK's StreamableHTTPServerTransport class.
    """
    connect = transport.connect

    @contextlib.asynccontextmanager
    async def contained(self):
        begun = False
        serving = _serving.get()
        if serving is not None:
            serving.append(self)
        try:
            async with connect(self) as streams:
                begun = True
                yield streams
        except BaseException as error:
            if not begun or _ends_more(error):
                raise
            # The SDK says nothing of one that is no Exception.
            level = logging.DEBUG if isinstance(error, Exception) else logging.ERROR
            logging.getLogger("mcp").log(level, "a session ended with an error", exc_info=True)
            await _terminate(self)
        finally:
            _forget(managers, self)

    transport.connect = contained


def cancelling(receive, send):
    """
    `receive` and `send` of a request that stands alone: a client that leaves
    before its answer is whole cancels it (2026-07-28, basic/patterns/cancellation),
    of which the SDK 1.x tells no handler.
    """
    serving = []
    _serving.set(serving)
    parts = []
    answered = False

    async def receiving():
        message = await receive()
        if message["type"] == "http.request":
            parts.append(message.get("body", b""))
        elif not answered:
            await _cancel(serving, b"".join(parts))
        return message

    async def sending(message):
        nonlocal answered
        answered = answered or message["type"] == "http.response.body" and not message.get("more_body")
        await send(message)

    return receiving, sending


async def _cancel(serving, body):
    """Tells a transport's server that the request which `body` holds is cancelled."""
    try:
        from mcp.shared.message import SessionMessage
        from mcp.types import JSONRPCMessage

        number = json.loads(body).get("id")
        params = {"requestId": number, "reason": "The client left."}
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        for transport in serving if number is not None else ():
            message = SessionMessage(JSONRPCMessage.model_validate(note))
            await asyncio.wait_for(transport._read_stream_writer.send(message), CANCEL_SECONDS)
    except Exception:
        logging.getLogger("mcp").debug("a request was not cancelled", exc_info=True)


def _ends_more(error):
    """Whether it is one that is meant for more than the session in which it was raised, also within a group."""
    if isinstance(error, (asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit)):
        return True
    within = getattr(error, "exceptions", None)
    return isinstance(within, tuple) and any(_ends_more(one) for one in within)


async def _terminate(transport):
    end = getattr(transport, "terminate", None) or getattr(transport, "_terminate_session", None)
    if end is not None:
        await end()


def _forget(managers, transport):
    for manager in managers:
        held = getattr(manager, "_server_instances", {})
        if held.get(transport.mcp_session_id) is transport:
            del held[transport.mcp_session_id]
