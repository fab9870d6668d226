"""A question that the app asks itself, for a caller of another kind: through its own door and queue, but with neither a connection nor a thread."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from uuid import uuid4

JOIN, HEAR = "/gradio_api/queue/join", "/gradio_api/queue/data"
UNSAID = "The server could not answer this; please try again in a minute."
# of the caller's headers, those that are about another message than ours
ABOUT_THE_MESSAGE = (b"accept", b"connection", b"content-", b"mcp-", b"origin", b"te", b"transfer-encoding", b"upgrade")

Tell = Callable[[float, str], Awaitable[None]]  # (part done 0…1, what takes the time)


class Refused(ValueError):
    """The question is not answered. The message is the sentence that any caller would get."""


async def ask(app, scope: dict, function: int, values: list, tell: Tell | None = None) -> list:
    """The outputs of one of the app's functions, asked by whoever sent the request of this ASGI scope. Raises Refused."""
    session = uuid4().hex
    question = json.dumps({"data": values, "fn_index": function, "session_hash": session}).encode()
    status, answer = await _whole(app, _request(scope, "POST", JOIN, "", question), question)
    if status != 200:
        raise Refused(_sentence(answer.get("detail")))
    events = _events(app, _request(scope, "GET", HEAR, f"session_hash={session}", b""))
    async with aclosing(events):
        async for event in events:
            if event["msg"] == "progress" and tell:
                for unit in event["progress_data"]:
                    await tell(unit["progress"] or 0, unit["desc"] or "")
            elif event["msg"] == "process_completed":
                if event["success"]:
                    return event["output"]["data"]
                raise Refused(_sentence(event["output"].get("error")))
    raise Refused(UNSAID)


def _sentence(told):
    return told if isinstance(told, str) and told else UNSAID


def _request(scope, method, path, query, body):
    """An ASGI scope for a request of the same caller."""
    headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(ABOUT_THE_MESSAGE)]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {
        **{name: scope.get(name) for name in ("type", "asgi", "http_version", "scheme", "client", "server")},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": scope.get("app_root_path", ""),
        "headers": headers,
        "state": dict(scope.get("state", ())),
    }


async def _whole(app, scope, body):
    """(status, what the JSON says)"""
    status, found = 500, b""
    async for message in _messages(app, scope, body):
        status = message.get("status", status)
        found += message.get("body", b"")
    return status, json.loads(found)


async def _events(app, scope) -> AsyncIterator[dict]:
    """The server-sent events of an answer, as they come."""
    heard = b""
    messages = _messages(app, scope, b"")
    async with aclosing(messages):
        async for message in messages:
            *events, heard = (heard + message.get("body", b"")).split(b"\n\n")
            for event in events:
                yield json.loads(event.removeprefix(b"data: "))


async def _messages(app, scope, body) -> AsyncIterator[dict]:
    """What the app sends in answer to a request, message by message. Whoever stops listening hangs up."""
    told, sent = asyncio.Queue(), [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return sent.pop() if sent else await asyncio.Event().wait()  # nothing more comes, and nobody leaves

    answering = asyncio.create_task(app(scope, receive, told.put))
    answering.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (message := await told.get()) is not None:
            yield message
        await answering  # it may have failed
    finally:
        answering.cancel()
