"""What agents may send at all: messages of the Model Context Protocol, judged before the package `mcp` sees them.

It answers what it cannot read with all of its own checks' words, which repeat what was sent, and writes whole messages into the log.
"""

import asyncio
import json
import re

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

MOST_BYTES = 4 * 1024**2  # as much as `mcp` takes
MOST_VALUES = 1000  # in a message; a photo is one of them
LONGEST_ID = 100  # characters: every answer repeats it
ENDS = 1000  # bytes at the beginning and at the end of a message, where its number stands
NUMBER = re.compile(rb'"id"\s*:\s*(\d{1,15}|"[^"\\\x00-\x1f]{1,100}")')

# JSON-RPC 2.0, section 5.1
NOT_JSON, NO_REQUEST, WRONG_PARAMETERS = -32700, -32600, -32602

TOO_LARGE = (
    f"A message to a tool has at most {MOST_BYTES // 10**6} MB; send a larger photo to /gradio_api/upload and give its "
    "address, which is this server's, then /gradio_api/file= and the path in the answer."
)
TOO_MANY = f"A message to a tool holds at most {MOST_VALUES} values."
UNREADABLE = "This message is not JSON in UTF-8."
NO_MESSAGE = "This is no message of the Model Context Protocol, which is JSON-RPC 2.0."
UNKNOWN = "There is no such request here, or its parameters are not as the Model Context Protocol has them."


class Protocol:
    """ASGI middleware around the server of tools."""

    def __init__(self, app, types):
        self._app, self._types = app, types

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        body, size = await _read(receive)
        if size > MOST_BYTES:
            refusal = _refusal(413, NO_REQUEST, TOO_LARGE, _number(body))
        else:
            refusal = await asyncio.to_thread(self._judged, body)
        if refusal is None:
            return await self._app(scope, _again(body, receive), send)
        return await refusal(scope, receive, send)

    def _judged(self, body):
        """The answer to a message that goes no further, else None."""
        if sum(map(body.count, (b"{", b"[", b","))) > MOST_VALUES:  # before anything is made of them
            return _refusal(400, NO_REQUEST, TOO_MANY, _number(body))
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError):
            return _refusal(400, NOT_JSON, UNREADABLE, _number(body))
        try:
            self._types.JSONRPCMessage.model_validate(sent)
        except ValidationError:
            return _refusal(400, NO_REQUEST, NO_MESSAGE, _number(body))
        number = sent.get("id")
        if len(str(number)) > LONGEST_ID:
            return _refusal(400, NO_REQUEST, NO_MESSAGE)
        if "method" not in sent:  # an answer, where nothing was asked
            return Response(status_code=202)
        try:
            (self._types.ClientNotification if number is None else self._types.ClientRequest).model_validate(sent)
        except ValidationError:
            return Response(status_code=202) if number is None else _refusal(400, WRONG_PARAMETERS, UNKNOWN, number)
        return None


def _refusal(status, code, sentence, number=None):
    """One sentence to the request of this number; the status is for those that have none, since clients hear no other word than a 200's."""
    told = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": sentence}}
    return JSONResponse(told, status if number is None else 200)


def _number(body):
    """The number of a request that is not to be read any further."""
    found = NUMBER.search(body[:ENDS]) or NUMBER.search(body[-ENDS:])
    return found and json.loads(found[1].decode(errors="replace"))


async def _read(receive):
    """The body and its size; of one that is too large the two ends. Whoever leaves has sent what came so far."""
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        piece = message.get("body", b"")
        size += len(piece)
        body += piece
        if size > MOST_BYTES:
            body[ENDS:-ENDS] = b""
        more = message.get("more_body", False)
    return bytes(body), size


def _again(body, receive):
    """The same message, to be received once more."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again():
        return messages.pop() if messages else await receive()

    return receive_again
