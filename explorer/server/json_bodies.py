"""JSON request bodies: bounded before they are parsed, and reduced to the fields that this app uses.

Parsed, a value takes up to fifty times the bytes of its text, and a body waits in Gradio's queue as it was parsed. So
the number of values, and their depth, are counted on the bytes; a longer text costs its own length only.
"""

import json

from explorer.photos.masks import MAX_STROKES

from .errors import RequestError

MAX_BYTES = 10**6  # of a body; photos are uploaded, or small
MAX_VALUES = 5000  # the longest request has 15
MAX_CONTAINERS = 200  # lists and objects, nested or side by side: Python's parser gives up at a thousand nested ones
MAX_NAME = 64  # characters: clients' session names have at most 36
MAX_INTEGER = 2**53  # JavaScript's own limit
MAX_EVENT_DATA = MAX_STROKES + 1000  # characters of a click's or a drawing's data

UNREADABLE = "A message is one JSON object in UTF-8, a dictionary of names and values; this is none."
TOO_MANY = (
    f"This message holds more than {MAX_VALUES} values, or more than {MAX_CONTAINERS} lists and objects: "
    "nothing here takes so many."
)
DRAWING_TOO_LARGE = "This drawing is too large; start again."


def parse(body: bytes):
    """The parsed body. Raises RequestError, before parsing, where it holds too much."""
    containers, separators = body.count(b"[") + body.count(b"{"), body.count(b",") + body.count(b":")
    if containers > MAX_CONTAINERS or separators > MAX_VALUES:  # those within texts too
        raise RequestError(413, TOO_MANY)
    try:
        message = json.loads(body.decode("utf-8-sig"))
        if b"\\u" in body:  # an escaped lone surrogate, which no response could be encoded with
            json.dumps(message, ensure_ascii=False).encode()
        return message
    except ValueError:  # not UTF-8, not JSON, or a number of thousands of digits
        raise RequestError(422, UNREADABLE) from None


def predict_body(message) -> dict:
    """The body for a handler or an endpoint, without unused fields. Raises RequestError."""
    _object(message)
    fields = {name: check(name, message[name]) for name, check in _PREDICT.items() if message.get(name) is not None}
    _list("data", fields.get("data"))
    return fields


def join_body(message) -> dict:
    """The body of queue/join, for a handler by its number. Raises RequestError."""
    fields = predict_body(message)
    for name in ("session_hash", "fn_index"):
        _PREDICT[name](name, fields.get(name))
    return fields


def cancel_body(message) -> dict:
    """The body of a cancellation. Raises RequestError."""
    return {name: check(name, _object(message).get(name)) for name, check in _CANCEL.items()}


def named_arguments(message, parameters: dict[str, bool]) -> dict:
    """A body of an endpoint's arguments by name; `parameters` says which have a default. Raises RequestError."""
    takes = f"it takes {', '.join(parameters)}" if parameters else "it takes none"
    if not _object(message).keys() <= parameters.keys():
        raise RequestError(422, f"This endpoint has no parameter of one of these names; {takes}.")
    if missing := [name for name, has_default in parameters.items() if not has_default and name not in message]:
        raise RequestError(422, f"This endpoint cannot do without {', '.join(missing)}; {takes}.")
    return message


def session_hash(name) -> str:
    """A session's name in a URL. Raises RequestError."""
    return _name("session_hash", name)


def reset_body(message) -> dict:
    """The body of a route that does nothing; clients call it after a cancellation. Raises RequestError."""
    _object(message)
    return {"event_id": ""}


def _object(message):
    if not isinstance(message, dict):
        raise RequestError(422, UNREADABLE)
    return message


def _list(name, value):
    if not isinstance(value, list):
        raise RequestError(422, _must_be(name, "a list of values"))
    return value


def _name(name, value):
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise RequestError(422, _must_be(name, f"a text of at most {MAX_NAME} characters"))
    return value


def _index(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise RequestError(422, _must_be(name, "a whole number from 0 on"))
    return value


def _event_data(name, value):
    """A click's or a drawing's data: texts and whole numbers by name. No handler here uses anything else."""
    fields = {}
    if isinstance(value, dict):
        fields = {key: field for key, field in value.items() if isinstance(field, int | str)}
    if sum(len(key) + len(str(field)) for key, field in fields.items()) > MAX_EVENT_DATA:
        raise RequestError(413, DRAWING_TOO_LARGE)
    return fields


def _must_be(name, kind):
    return f"Of what was sent, {name} must be {kind}."


_PREDICT = {
    "data": _list,
    "fn_index": _index,
    "session_hash": _name,
    "trigger_id": _index,
    "event_data": _event_data,
}
_CANCEL = {"session_hash": _name, "fn_index": _index, "event_id": _name}
