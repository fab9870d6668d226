"""Request limits: ASGI middleware that bounds every request before Gradio sees it, and closes unused routes."""

import asyncio
import json
import re
import shutil
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from gradio.utils import get_upload_folder
from starlette._utils import get_route_path
from starlette.datastructures import Headers, QueryParams

from . import json_bodies
from .errors import BUSY, NO_ENDPOINT, NO_ROOM, NOT_FOUND, RETRY_AFTER, RequestError
from .routes import API, MAX_BODY, MAX_HEADERS, MAX_QUERY, route_of

MIN_FREE_DISK = 500 * 10**6  # bytes that must be free before a POST is accepted
MAX_BUFFERED = 100 * 10**6  # bytes of all request bodies together that are being read or answered
BODY_TIMEOUT = 60  # seconds within which a body must have arrived

# parts of files, where Gradio sends back every header; and who serves the page, which is always this server
DROPPED_HEADERS = (b"range", b"if-range", b"x-gradio-server")
BODY_HEADERS = (b"content-length", b"content-type", b"transfer-encoding")

NOT_JSON = "Send JSON, with Content-Type: application/json and without a Content-Encoding."
NO_HOST = "This request does not say in readable words which host it is for."
TOO_SLOW = "This message came too slowly; send it again."
UNKNOWN_EVENT = "There is no such question, or none any more, since nobody listened to its answer; ask again."
NO_MORE = {"msg": "close_stream", "event_id": None}  # the session has got every answer
UNKNOWN_SESSION = {  # a page then starts a new session
    "msg": "unexpected_error", "success": False,
    "message": "Nobody asks here under this name.", "session_not_found": True,
}  # fmt: skip


class RequestLimits:
    """ASGI middleware. What it refuses it answers with a status and one sentence."""

    def __init__(self, app):
        self._app = app
        self._buffered = 0  # bytes of request bodies
        self._receiving: dict[_Exchange, None] = {}  # whose bodies are incomplete, the oldest first

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        handler_errors = []  # filled by `ValidatedBlocks.process_api` for handlers that are called directly
        exchange = _Exchange(receive, send, self, handler_errors)
        try:
            await self._handle({**scope, "handler_errors": handler_errors}, exchange)
        except RequestError as error:
            await exchange.refuse(error)
        except _ClientDisconnectedError:
            pass
        finally:
            self.release(exchange)

    async def _handle(self, scope, exchange):
        scope["headers"] = _allowed_headers(scope)
        query = _query(scope)
        route, names = route_of(scope["method"], get_route_path(scope))
        page = scope["app"].get_blocks()
        if query.get("page", "") not in page.config["page"]:
            raise RequestError(404, NOT_FOUND)
        if route.method == "POST":
            _check_size_and_disk(scope, route.max_bytes)
            exchange.max_bytes = route.max_bytes
            if route.validate:
                scope["headers"] = await exchange.rewrite(scope["headers"], partial(_validated, page, route, names))
            elif route.buffered:
                await exchange.read()
        if "session" in names:
            json_bodies.session_hash(names["session"])
        if route.stream:
            await self._stream(scope, exchange, page, query, names)
        else:
            await self._app(scope, exchange.receive, exchange.send)

    async def _stream(self, scope, exchange, page, query, names):
        """Let a session's event stream through, if its session is known, and register the listener."""
        by_event = "event" in names
        session = (
            page._queue.session_of(names["event"]) if by_event else json_bodies.session_hash(query.get("session_hash"))
        )
        if session not in page._queue.pending_messages_per_session:
            message = NO_MORE if page._queue.just_answered(session) else UNKNOWN_SESSION
            await exchange.respond_unknown(to_page=not by_event, message=message)
            return
        with page._queue.listening(session):
            await self._app(scope, exchange.receive, exchange.send)

    @contextmanager
    def receiving(self, exchange):
        """Within it, the exchange's body is being received."""
        self._receiving[exchange] = None
        try:
            yield
        finally:
            del self._receiving[exchange]

    def reserve(self, exchange, size):
        """Count bytes of a body. Above MAX_BUFFERED the oldest incomplete body is aborted.

        Raises RequestError where that is this one.
        """
        for other in list(self._receiving):
            if self._buffered + size <= MAX_BUFFERED or other is exchange:
                break
            other.abort()
            self.release(other)
        if self._buffered + size > MAX_BUFFERED:
            raise RequestError(429, BUSY, **RETRY_AFTER)
        self._buffered += size
        exchange.buffered += size

    def release(self, exchange):
        self._buffered -= exchange.buffered
        exchange.buffered = 0


def with_host_check(lifespan):
    """The ASGI lifespan, with a check of Host headers before any middleware that Gradio puts around RequestLimits.

    Gradio's needs a host, and a readable one.
    """

    @asynccontextmanager
    async def combined(app):
        app.middleware_stack = _HostCheck(app.middleware_stack)
        async with lifespan(app):
            yield

    return combined


class _HostCheck:
    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if "host" not in headers:  # as HTTP/1.0 allows, and some health checks do
                scope["headers"] = [*scope["headers"], (b"host", b"localhost")]
            if not all(_is_host(headers[name]) for name in ("host", "x-forwarded-host") if name in headers):
                await _respond(send, RequestError(400, NO_HOST))
                return
        await self._app(scope, receive, send)


def _is_host(name):
    """Whether Gradio can make a URL of it."""
    host = name.partition(",")[0].strip()
    try:
        return bool(re.fullmatch(r"([\w.-]+|\[[\da-fA-F:.]+\])(:\d+)?", host, re.ASCII)) and bool(
            urlsplit(f"http://{host}").port or httpx.URL(f"http://{host}")
        )
    except (ValueError, httpx.InvalidURL):
        return False


def _allowed_headers(scope):
    """The headers, without those dropped. Raises RequestError where they are too long."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS:
        raise RequestError(431, f"The headers of this request are longer than {MAX_HEADERS // 1000} kB together.")
    return [(name, value) for name, value in scope["headers"] if name not in DROPPED_HEADERS]


def _query(scope):
    """The query parameters. Raises RequestError where they are too long."""
    if len(scope["query_string"]) > MAX_QUERY:
        limit = f"longer than {MAX_QUERY // 1000} kB."
        raise RequestError(414, f"What follows the question mark in this address is {limit}")
    return QueryParams(scope["query_string"])


def _check_size_and_disk(scope, max_bytes):
    length = Headers(raw=scope["headers"]).get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > max_bytes:
        raise _too_large(max_bytes)
    if shutil.disk_usage(_existing_ancestor(get_upload_folder())).free < MIN_FREE_DISK:
        raise RequestError(503, NO_ROOM)


def _too_large(max_bytes):
    advice = f"send a photo to {API}upload first, and name the path that it gets"
    if max_bytes == MAX_BODY:
        advice = "save the photo smaller and try again"
    return RequestError(413, f"This message is larger than {max_bytes // 10**6} MB; {advice}.")


def _validated(page, route, names, message):
    """The body that Gradio gets. Raises RequestError, also for an unknown handler or endpoint."""
    if "endpoint" in names and names["endpoint"] not in page.endpoints:
        raise RequestError(404, NO_ENDPOINT)
    if route.validate is json_bodies.named_arguments:
        return json_bodies.named_arguments(message, page.endpoints[names["endpoint"]])
    fields = route.validate(message)
    if "endpoint" in names:
        fields.pop("fn_index", None)  # Gradio would call that handler, whatever the path says
    elif "data" in fields and not page.handles(names.get("handler"), fields.get("fn_index")):
        raise RequestError(404, NO_ENDPOINT)
    return fields


class _ClientDisconnectedError(Exception):
    """The client has disconnected."""


class _Exchange:
    """One HTTP exchange: the request body as it arrives, counted, and the response."""

    def __init__(self, receive, send, limits, handler_errors):
        self._receive, self._send, self._limits, self._handler_errors = receive, send, limits, handler_errors
        self._received, self._responding = 0, False
        self._body: bytes | None = None
        self._timeout: asyncio.Timeout | None = None
        self.max_bytes, self.buffered = json_bodies.MAX_BYTES, 0

    async def receive(self):
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self.max_bytes:
            raise _too_large(self.max_bytes)
        return message

    async def rewrite(self, headers, validated):
        """Read the body and replace it by what `validated` makes of it. Returns the headers that go with it."""
        given = Headers(raw=headers)
        is_json = "json" in given.get("content-type", "").partition(";")[0].lower()
        if not is_json or given.get("content-encoding", "identity") != "identity":
            raise RequestError(415, NOT_JSON)
        self._body = json.dumps(validated(json_bodies.parse(await self.read()))).encode()
        others = [(name, value) for name, value in headers if name not in BODY_HEADERS]
        return [*others, (b"content-length", str(len(self._body)).encode()), (b"content-type", b"application/json")]

    async def read(self) -> bytes:
        """Buffer the whole body before it goes on."""
        body, more = bytearray(), True  # chunks may be of a byte each
        try:
            async with asyncio.timeout(BODY_TIMEOUT) as self._timeout:
                with self._limits.receiving(self):
                    while more:
                        message = await self.receive()
                        if message["type"] == "http.disconnect":
                            raise _ClientDisconnectedError
                        self._limits.reserve(self, len(message.get("body", b"")))
                        body += message.get("body", b"")
                        more = message.get("more_body", False)
        except TimeoutError:
            raise RequestError(408, TOO_SLOW) from None
        self._body = bytes(body)
        return self._body

    def abort(self):
        """Stop waiting for the rest of the body."""
        assert self._timeout is not None, "the body is being read"
        self._timeout.reschedule(0)

    async def send(self, message):
        self._responding = True
        if self._handler_errors and message.get("status") == 500:  # Gradio's status for whatever a handler raises
            message["status"] = 422
        await self._send(message)

    async def refuse(self, error):
        """Respond with a sentence, unless a response has begun; then it is cut off."""
        if not self._responding:
            await _respond(self._send, error)

    async def respond_unknown(self, to_page, message):
        """There is no such stream: a status for plain HTTP clients, one of Gradio's own messages for a page."""
        if not to_page:
            raise RequestError(404, UNKNOWN_EVENT)
        await _respond_with(self._send, 200, b"text/event-stream", f"data: {json.dumps(message)}\n\n")


async def _respond(send, error):
    headers = {name.encode(): value.encode() for name, value in error.headers.items()}
    await _respond_with(send, error.status, b"application/json", json.dumps({"detail": error.sentence}), headers)


async def _respond_with(send, status, content_type, text, headers=()):
    headers = {b"content-type": content_type, b"connection": b"close", **dict(headers)}
    await send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": text.encode()})


def _existing_ancestor(folder):
    """The folder, or the nearest existing one above it."""
    return next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
