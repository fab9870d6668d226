"""Limits around the whole server: a middleware that bounds what comes in before anything of Gradio's looks at it, and closes what the app has no use for."""

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

from . import json_bodies as messages
from .errors import AGAIN, BUSY, NO_ENDPOINT, NO_ROOM, NOTHING, Refused
from .routes import API, LONGEST_QUERY, MAX_BODY, MOST_HEADERS, route_of

ROOM = 500 * 10**6  # bytes that must be free on the disk before anything is accepted
MOST_HELD = 100 * 10**6  # bytes of all messages together that are being read or answered
SECONDS = 60  # within which a message must have come

DROPPED = (
    b"range",
    b"if-range",
    b"x-gradio-server",
)  # parts of files, where Gradio sends back every header; and who serves the page, where nobody else does

NOT_JSON = "Send JSON, with Content-Type: application/json and without a Content-Encoding."
NO_HOST = "This request does not say in readable words which host it is for."
TOO_SLOW = "This message came too slowly; send it again."
UNKNOWN = "There is no such question, or none any more, since nobody listened to its answer; ask again."
NO_SESSION = {
    "msg": "unexpected_error",
    "message": "Nobody asks here under this name.",
    "session_not_found": True,
    "success": False,
}  # a page then begins anew


class RequestLimits:
    """ASGI middleware. What it refuses it answers with a status and one sentence."""

    def __init__(self, app):
        self._app = app
        self._held = 0  # bytes of messages
        self._coming: dict[_Letter, None] = {}  # those that are not yet whole, the oldest first

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        refused = []  # what a handler refuses while it is asked directly, see `ValidatedBlocks.process_api`
        letter = _Letter(receive, send, self, refused)
        try:
            await self._admit({**scope, "refused": refused}, letter)
        except Refused as refusal:
            await letter.refuse(refusal)
        except _HungUp:
            pass
        finally:
            self.let_go(letter)

    async def _admit(self, scope, letter):
        scope["headers"] = _headers(scope)
        asked = _asked(scope)
        route, names = route_of(scope["method"], get_route_path(scope))
        page = scope["app"].get_blocks()
        if asked.get("page", "") not in page.config["page"]:
            raise Refused(404, NOTHING)
        if route.method == "POST":
            _check_room(scope, route.most)
            letter.most = route.most
            if route.takes:
                scope["headers"] = await letter.rewrite(scope["headers"], partial(_taken, page, route, names))
            elif route.whole:
                await letter.read()
        if "session" in names:
            messages.session(names["session"])
        if not route.heard:
            return await self._app(scope, letter.receive, letter.send)
        session = (
            page._queue.session_of(names["question"])
            if "question" in names
            else messages.session(asked.get("session_hash"))
        )
        if session not in page._queue.pending_messages_per_session:
            return await letter.say_unknown(by_page="question" not in names)
        with page._queue.listening(session):
            await self._app(scope, letter.receive, letter.send)

    @contextmanager
    def coming(self, letter):
        """While it lasts, the message comes in."""
        self._coming[letter] = None
        try:
            yield
        finally:
            del self._coming[letter]

    def hold(self, letter, size):
        """Count bytes of a message in. If they are too many of all, the message that has been coming for longest is given up. Raises Refused where that is this one."""
        for other in list(self._coming):
            if self._held + size <= MOST_HELD or other is letter:
                break
            other.give_up()
            self.let_go(other)
        if self._held + size > MOST_HELD:
            raise Refused(429, BUSY, **AGAIN)
        self._held += size
        letter.held += size

    def let_go(self, letter):
        self._held -= letter.held
        letter.held = 0


def addressed(lifespan):
    """The lifespan, with a look at which host a request is for, before any middleware that Gradio puts around the guard: it needs one, and one in readable words."""

    @asynccontextmanager
    async def both(app):
        app.middleware_stack = _Addressed(app.middleware_stack)
        async with lifespan(app):
            yield

    return both


class _Addressed:
    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if "host" not in headers:  # as HTTP/1.0 allows, and those do who ask whether a server lives
                scope["headers"] = [*scope["headers"], (b"host", b"localhost")]
            if not all(_is_host(headers[name]) for name in ("host", "x-forwarded-host") if name in headers):
                return await _answer(send, Refused(400, NO_HOST))
        await self._app(scope, receive, send)


def _is_host(name):
    """Whether Gradio can make an address of it."""
    host = name.partition(",")[0].strip()
    try:
        return bool(re.fullmatch(r"([\w.-]+|\[[\da-fA-F:.]+\])(:\d+)?", host, re.ASCII)) and bool(
            urlsplit(f"http://{host}").port or httpx.URL(f"http://{host}")
        )
    except (ValueError, httpx.InvalidURL):
        return False


def _headers(scope):
    """Those that may go on. Raises Refused where they are too many."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
        raise Refused(431, f"The headers of this request are longer than {MOST_HEADERS // 1000} kB together.")
    return [(name, value) for name, value in scope["headers"] if name not in DROPPED]


def _asked(scope):
    """What follows the question mark. Raises Refused where it is too long."""
    if len(scope["query_string"]) > LONGEST_QUERY:
        raise Refused(414, f"What follows the question mark in this address is longer than {LONGEST_QUERY // 1000} kB.")
    return QueryParams(scope["query_string"])


def _check_room(scope, most):
    length = Headers(raw=scope["headers"]).get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > most:
        raise _too_large(most)
    if shutil.disk_usage(_standing(get_upload_folder())).free < ROOM:
        raise Refused(503, NO_ROOM)


def _too_large(most):
    advice = (
        "save the photo smaller and try again"
        if most == MAX_BODY
        else f"send a photo to {API}upload first, and name the path that it gets"
    )
    return Refused(413, f"This message is larger than {most // 10**6} MB; {advice}.")


def _taken(page, route, names, message):
    """What Gradio gets of a message. Raises Refused, also for a handler or an endpoint that there is not."""
    if "endpoint" in names and names["endpoint"] not in page.endpoints:
        raise Refused(404, NO_ENDPOINT)
    if route.takes is messages.arguments:
        return messages.arguments(message, page.endpoints[names["endpoint"]])
    taken = route.takes(message)
    if "endpoint" in names:
        taken.pop("fn_index", None)  # Gradio would ask that handler, whatever the path says
    elif "data" in taken and not page.handles(names.get("handler"), taken.get("fn_index")):
        raise Refused(404, NO_ENDPOINT)
    return taken


class _HungUp(Exception):
    """The caller is gone."""


class _Letter:
    """A message as it comes in, counted, and its answer."""

    def __init__(self, receive, send, guard, refused):
        self._receive, self._send, self._guard, self._refused = receive, send, guard, refused
        self._came, self._read, self._answered, self._patience = 0, None, False, None
        self.most, self.held = messages.MOST_BYTES, 0

    async def receive(self):
        if self._read is not None:
            body, self._read = self._read, None
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._receive()
        self._came += len(message.get("body", b""))
        if self._came > self.most:
            raise _too_large(self.most)
        return message

    async def rewrite(self, headers, taken):
        """Read the whole message, and have Gradio get what is `taken` of it. Returns the headers that go with it."""
        told = Headers(raw=headers)
        if (
            "json" not in told.get("content-type", "").partition(";")[0].lower()
            or told.get("content-encoding", "identity") != "identity"
        ):
            raise Refused(415, NOT_JSON)
        await self.read()
        self._read = json.dumps(taken(messages.parsed(self._read))).encode()
        kept = [
            (name, value)
            for name, value in headers
            if name not in (b"content-length", b"content-type", b"transfer-encoding")
        ]
        return [*kept, (b"content-length", str(len(self._read)).encode()), (b"content-type", b"application/json")]

    async def read(self):
        """Have it here before anything is done with it."""
        body, more = bytearray(), True  # parts may be of a byte each
        try:
            async with asyncio.timeout(SECONDS) as self._patience:
                with self._guard.coming(self):
                    while more:
                        message = await self.receive()
                        if message["type"] == "http.disconnect":
                            raise _HungUp
                        self._guard.hold(self, len(message.get("body", b"")))
                        body += message.get("body", b"")
                        more = message.get("more_body", False)
        except TimeoutError:
            raise Refused(408, TOO_SLOW) from None
        self._read = bytes(body)

    def give_up(self):
        """Wait for no more of it."""
        self._patience.reschedule(0)

    async def send(self, message):
        self._answered = True
        if self._refused and message.get("status") == 500:  # Gradio's status for whatever a handler raises
            message["status"] = 422
        await self._send(message)

    async def refuse(self, refusal):
        """Answer with a sentence, unless an answer has begun; then it is cut off."""
        if not self._answered:
            await _answer(self._send, refusal)

    async def say_unknown(self, by_page):
        """There is nothing to listen to: a status for callers by plain HTTP, for a page the message that Gradio has for it."""
        if not by_page:
            raise Refused(404, UNKNOWN)
        await _send_whole(self._send, 200, b"text/event-stream", f"data: {json.dumps(NO_SESSION)}\n\n")


async def _answer(send, refusal):
    more = {name.encode(): value.encode() for name, value in refusal.headers.items()}
    await _send_whole(send, refusal.status, b"application/json", json.dumps({"detail": refusal.sentence}), more)


async def _send_whole(send, status, kind, text, more=()):
    headers = {b"content-type": kind, b"connection": b"close", **dict(more)}
    await send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": text.encode()})


def _standing(folder):
    """The folder, or the nearest above it that is there."""
    return next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
