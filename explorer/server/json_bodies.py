"""Messages: JSON from outside, bounded before it is parsed, and of what is in it only what this app knows.

Parsed, a value takes up to fifty times the bytes that it is written in, and a message waits in Gradio's queue as it was parsed. So how many values there are,
and how deep, is counted on the bytes; a longer text costs what it weighs.
"""

import json

from explorer.photos.masks import MAX_STROKES

from .errors import Refused

MOST_BYTES = 10**6  # of a message; photos are uploaded, or small
MOST_VALUES = 5000  # the longest question has 15
MOST_LISTS = 200  # and objects, in each other or side by side: Python's parser gives up at a thousand in each other
MOST_NAME = 64  # characters: what clients call sessions has at most 36
LARGEST = 2**53  # of whole numbers: JavaScript's own limit
MOST_DRAWN = MAX_STROKES + 1000  # characters of what tells of a click or a drawing

UNREADABLE = "A message is one JSON object in UTF-8, a dictionary of names and values; this is none."
TOO_MANY = f"This message holds more than {MOST_VALUES} values, or more than {MOST_LISTS} lists and objects: nothing here takes so many."
TOO_DRAWN = "This drawing is too large; start again."


def parsed(body: bytes):
    """What the message says. Raises Refused, before anything is parsed, where it says too much."""
    if (
        body.count(b"[") + body.count(b"{") > MOST_LISTS or body.count(b",") + body.count(b":") > MOST_VALUES
    ):  # those within texts too
        raise Refused(413, TOO_MANY)
    try:
        message = json.loads(body.decode("utf-8-sig"))
        if b"\\u" in body:  # half a character may be written so, which no answer could be written with
            json.dumps(message, ensure_ascii=False).encode()
        return message
    except ValueError:  # no UTF-8, no JSON, or a number of thousands of digits
        raise Refused(422, UNREADABLE) from None


def question(message) -> dict:
    """A message to a handler or an endpoint, without what nobody here asks for. Raises Refused."""
    _object(message)
    known = {name: take(name, message[name]) for name, take in _QUESTION.items() if message.get(name) is not None}
    _list("data", known.get("data"))
    return known


def joined(message) -> dict:
    """A question for a session's stream, to a handler by its number. Raises Refused."""
    known = question(message)
    for name in ("session_hash", "fn_index"):
        _QUESTION[name](name, known.get(name))
    return known


def cancellation(message) -> dict:
    """A message that ends what was asked. Raises Refused."""
    return {name: take(name, _object(message).get(name)) for name, take in _CANCELLATION.items()}


def arguments(message, parameters: dict[str, bool]) -> dict:
    """A message that names the values of an endpoint's parameters, of which each has a default or not. Raises Refused."""
    takes = f"it takes {', '.join(parameters)}" if parameters else "it takes none"
    if not _object(message).keys() <= parameters.keys():
        raise Refused(422, f"This endpoint has no parameter of one of these names; {takes}.")
    if missing := [name for name, has_default in parameters.items() if not has_default and name not in message]:
        raise Refused(422, f"This endpoint cannot do without {', '.join(missing)}; {takes}.")
    return message


def session(name) -> str:
    """The name of a session as it stands in an address. Raises Refused."""
    return _name("session_hash", name)


def nothing(message) -> dict:
    """A message to a route that does nothing; clients send it when they have cancelled. Raises Refused."""
    _object(message)
    return {"event_id": ""}


def _object(message):
    if not isinstance(message, dict):
        raise Refused(422, UNREADABLE)
    return message


def _list(name, value):
    if not isinstance(value, list):
        raise Refused(422, _wrong(name, "a list of values"))
    return value


def _name(name, value):
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME or not value.isprintable():
        raise Refused(422, _wrong(name, f"a text of at most {MOST_NAME} characters"))
    return value


def _number(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise Refused(422, _wrong(name, "a whole number from 0 on"))
    return value


def _event(name, value):
    """What tells of a click or a drawing: texts and whole numbers by name. Whatever else there is, no handler here asks for."""
    plain = {key: told for key, told in value.items() if isinstance(told, int | str)} if isinstance(value, dict) else {}
    if sum(len(key) + len(str(told)) for key, told in plain.items()) > MOST_DRAWN:
        raise Refused(413, TOO_DRAWN)
    return plain


def _wrong(name, kind):
    return f"Of what was sent, {name} must be {kind}."


_QUESTION = {"data": _list, "fn_index": _number, "session_hash": _name, "trigger_id": _number, "event_data": _event}
_CANCELLATION = {"session_hash": _name, "fn_index": _number, "event_id": _name}
