"""In-process ASGI client: calls the app's own queue routes for an MCP client, without a connection or a thread."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from uuid import uuid4

JOIN_PATH, DATA_PATH = "/gradio_api/queue/join", "/gradio_api/queue/data"
UNANSWERED = "The server could not answer this; please try again in a minute."
# the caller's headers that describe its own message, not the request made here
MESSAGE_HEADERS = (b"accept", b"connection", b"content-", b"mcp-", b"origin", b"te", b"transfer-encoding", b"upgrade")

ReportProgress = Callable[[float, str], Awaitable[None]]  # (fraction done 0…1, current task)


class CallError(ValueError):
    """The call failed. The message is the sentence that any client would get."""


async def call(app, scope: dict, fn_index: int, values: list, report: ReportProgress | None = None) -> list:
    """The outputs of one of the app's functions, called as the client of this ASGI scope. Raises CallError."""
    session = uuid4().hex
    body = json.dumps({"data": values, "fn_index": fn_index, "session_hash": session}).encode()
    status, response = await _response(app, _request_scope(scope, "POST", JOIN_PATH, "", body), body)
    if status != 200:
        raise CallError(_sentence(response.get("detail")))
    events = _server_sent_events(app, _request_scope(scope, "GET", DATA_PATH, f"session_hash={session}", b""))
    async with aclosing(events):
        async for event in events:
            if event["msg"] == "progress" and report:
                for unit in event["progress_data"]:
                    await report(unit["progress"] or 0, unit["desc"] or "")
            elif event["msg"] == "process_completed":
                if event["success"]:
                    return event["output"]["data"]
                raise CallError(_sentence(event["output"].get("error")))
    raise CallError(UNANSWERED)


def _sentence(error):
    return error if isinstance(error, str) and error else UNANSWERED


def _request_scope(scope, method, path, query, body):
    """An ASGI scope for a request of the same client."""
    headers = [(name, value) for name, value in scope["headers"] if not name.lower().startswith(MESSAGE_HEADERS)]
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


async def _response(app, scope, body):
    """(status, parsed JSON)"""
    status, content = 500, b""
    async for message in _messages(app, scope, body):
        status = message.get("status", status)
        content += message.get("body", b"")
    return status, json.loads(content)


async def _server_sent_events(app, scope) -> AsyncGenerator[dict, None]:
    """The server-sent events of a response, as they come."""
    buffer = b""
    messages = _messages(app, scope, b"")
    async with aclosing(messages):
        async for message in messages:
            *events, buffer = (buffer + message.get("body", b"")).split(b"\n\n")
            for event in events:
                yield json.loads(event.removeprefix(b"data: "))


async def _messages(app, scope, body) -> AsyncGenerator[dict, None]:
    """The app's ASGI messages in response to a request. Closing the generator disconnects the client."""
    responses, requests = asyncio.Queue(), [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return requests.pop() if requests else await asyncio.Event().wait()  # no more body, and no disconnect

    task = asyncio.create_task(app(scope, receive, responses.put))
    task.add_done_callback(lambda _: responses.put_nowait(None))
    try:
        while (message := await responses.get()) is not None:
            yield message
        await task  # raises what the app raised
    finally:
        task.cancel()
