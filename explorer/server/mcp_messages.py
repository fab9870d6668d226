"""Validation of Model Context Protocol messages, before the package `mcp` reads them.

It answers what it cannot read with its own validation errors, which repeat what was sent, and logs whole messages.
"""

import asyncio
import json
import re

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

MAX_BYTES = 4 * 1024**2  # the limit of `mcp`
MAX_VALUES = 1000  # in a message; a photo is one of them
MAX_ID = 100  # characters: every response repeats it
ID_WINDOW = 1000  # bytes at the start and at the end of a message, where its id is looked for
ID = re.compile(rb'"id"\s*:\s*(\d{1,15}|"[^"\\\x00-\x1f]{1,100}")')

# JSON-RPC 2.0, section 5.1
PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602

TOO_LARGE = (
    f"A message to a tool has at most {MAX_BYTES // 10**6} MB; send a larger photo to /gradio_api/upload and give its "
    "address, which is this server's, then /gradio_api/file= and the path in the answer."
)
TOO_MANY = f"A message to a tool holds at most {MAX_VALUES} values."
UNREADABLE = "This message is not JSON in UTF-8."
NOT_MCP = "This is no message of the Model Context Protocol, which is JSON-RPC 2.0."
UNKNOWN = "There is no such request here, or its parameters are not as the Model Context Protocol has them."


class MessageValidation:
    """ASGI middleware around the MCP server."""

    def __init__(self, app, types):
        self._app, self._types = app, types

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        body, size = await _read(receive)
        if size > MAX_BYTES:
            response = _error(413, INVALID_REQUEST, TOO_LARGE, _find_id(body))
        else:
            response = await asyncio.to_thread(self._response_to_invalid, body)
        if response is None:
            return await self._app(scope, _replay(body, receive), send)
        return await response(scope, receive, send)

    def _response_to_invalid(self, body):
        """The response to a message that goes no further, else None."""
        if sum(map(body.count, (b"{", b"[", b","))) > MAX_VALUES:  # before it is parsed
            return _error(400, INVALID_REQUEST, TOO_MANY, _find_id(body))
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return _error(400, PARSE_ERROR, UNREADABLE, _find_id(body))
        try:
            self._types.JSONRPCMessage.model_validate(message)
        except ValidationError:
            return _error(400, INVALID_REQUEST, NOT_MCP, _find_id(body))
        message_id = message.get("id")
        if len(str(message_id)) > MAX_ID:
            return _error(400, INVALID_REQUEST, NOT_MCP)
        if "method" not in message:  # a response, where nothing was requested
            return Response(status_code=202)
        kind = self._types.ClientNotification if message_id is None else self._types.ClientRequest
        try:
            kind.model_validate(message)
        except ValidationError:
            if message_id is None:
                return Response(status_code=202)
            return _error(400, INVALID_PARAMS, UNKNOWN, message_id)
        return None


def _error(status, code, sentence, message_id=None):
    """A JSON-RPC error. The status is for messages without an id, since clients read the error of a 200 only."""
    content = {"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": sentence}}
    return JSONResponse(content, status if message_id is None else 200)


def _find_id(body):
    """The id of a request that is not parsed."""
    match = ID.search(body[:ID_WINDOW]) or ID.search(body[-ID_WINDOW:])
    return match and json.loads(match[1].decode(errors="replace"))


async def _read(receive):
    """The body and its size; of one that is too large the two ends. A disconnect ends the body."""
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        body += chunk
        if size > MAX_BYTES:
            body[ID_WINDOW:-ID_WINDOW] = b""
        more = message.get("more_body", False)
    return bytes(body), size


def _replay(body, receive):
    """An ASGI receive that gives the same body once more."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again():
        return messages.pop() if messages else await receive()

    return receive_again
