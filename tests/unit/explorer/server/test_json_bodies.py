"""JSON bodies: bounded by their bytes before they are parsed, and reduced to known fields."""

import json
import tracemalloc

import pytest

from explorer.server import json_bodies
from explorer.server.errors import RequestError


def refused(work, *arguments):
    """The status, after the sentence has been checked."""
    with pytest.raises(RequestError) as refusal:
        work(*arguments)
    sentence = refusal.value.sentence
    assert sentence[0].isupper() and sentence.endswith(".") and len(sentence) < 200 and "\n" not in sentence
    return refusal.value.status


def body_with(**values):
    return {"data": [], "fn_index": 1, "session_hash": "abc", **values}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10**6,
        b'{"a":' * 10**5,
        b'{"data":[[' + b"{}," * 300_000 + b"{}]]}",
        b"[" + b"1," * 400_000 + b"1]",
        b'["' + b'","' * 200_000 + b'"]',
        json.dumps({"data": [[]] * 201}).encode(),
        b"[" * 201 + b"]" * 201,
    ],
)
def test_too_many_values_or_too_deep(body):
    tracemalloc.start()
    try:
        assert refused(json_bodies.parse, body) == 413
        assert tracemalloc.get_traced_memory()[1] < 100_000  # nothing was parsed
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nothing", b"\xff\xfe{}", '{"data": []}'.encode("utf-16"), '{"data": []}'.encode("utf-32"),
        b'{"a": "\xc3"}', b'{"a": "\x00"}', b'{"data": [\x00]}',
        b"9" * 5000, b'{"data": [' + b"9" * 5000 + b"]}", b'{"data": ["\\ud800"]}', b'{"\\udfff": 1}', b"{'a': 1}",
        b'{"a": 1} {"b": 2}',
    ],
)  # fmt: skip
def test_invalid_json(body):
    assert refused(json_bodies.parse, body) == 422


def test_valid_json_is_parsed():
    assert json_bodies.parse('{"data": ["é😀", 1, -0.5, null, true]}'.encode()) == {
        "data": ["é😀", 1, -0.5, None, True]
    }
    assert json_bodies.parse(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}') == {"a": "😀"}
    assert json_bodies.parse(b"[" * 200 + b"]" * 200)
    assert json_bodies.parse(json.dumps({"url": "data:image/png;base64," + "A" * 900_000}).encode())["url"][-1] == "A"
    assert json_bodies.parse(b"9" * 4000) == int("9" * 4000)


def test_unknown_fields_are_dropped():
    known = body_with(event_data={"index": 3}, trigger_id=9)
    assert (
        json_bodies.predict_body(
            {**known, "oauth_token": "x", "batched": True, "simple_format": True, "event_id": "y", "more": ["x"] * 99}
        )
        == known
    )
    assert json_bodies.predict_body({"data": [1, {"path": "a"}], "session_hash": None}) == {"data": [1, {"path": "a"}]}


@pytest.mark.parametrize(
    "message", [None, [], 7, "x", {}, {"data": None}, {"data": 7}, {"data": {"a": 1}}, {"data": "[]"}]
)
def test_invalid_predict_bodies(message):
    assert refused(json_bodies.predict_body, message) == 422


WRONG = {
    "session_hash": [7, ["a"], {"a": 1}, True, "", "a" * 65, "a" * 10**6, "a\nb", "a\0", "\ud800"],
    "fn_index": ["7", -1, 1.5, float("nan"), float("inf"), True, [1], {"a": 1}, 10**400],
    "trigger_id": ["7", -1, 0.5, [1], 2**53 + 1],
}


@pytest.mark.parametrize(("name", "wrong"), [(name, value) for name, values in WRONG.items() for value in values])
def test_fields_of_a_wrong_type(name, wrong):
    assert refused(json_bodies.join_body, body_with(**{name: wrong})) == 422


def test_join_needs_session_and_function():
    assert json_bodies.join_body(body_with()) == body_with()
    for name in ("session_hash", "fn_index"):
        assert refused(json_bodies.join_body, {key: value for key, value in body_with().items() if key != name}) == 422


def test_event_data_keeps_texts_and_integers():
    odd = {"index": 3, "photo": "ab", "deep": [{}] * 99, "deeper": {"a": {}}, "nothing": None, "half": 0.5}
    assert json_bodies.predict_body(body_with(event_data=odd))["event_data"] == {"index": 3, "photo": "ab"}
    for event in ([1, 2], "text", 7, True):
        assert json_bodies.predict_body(body_with(event_data=event))["event_data"] == {}


@pytest.mark.parametrize(
    "event",
    [
        {"picture": "x" * 70_000},
        {"x" * 70_000: 1},
        {str(number): "x" * 100 for number in range(700)},
        {"n": 10**4000, "m": "x" * 64_000},
    ],
)
def test_too_much_event_data(event):
    assert refused(json_bodies.predict_body, body_with(event_data=event)) == 413


def test_a_drawings_event_data():
    drawn = {"photo": "0123456789abcdef", "picture": "data:image/png;base64," + "A" * 52_000}
    assert json_bodies.predict_body(body_with(event_data=drawn))["event_data"] == drawn


def test_named_arguments_are_checked():
    parameters = {"image": False, "model": True}
    assert json_bodies.named_arguments({"image": None}, parameters) == {"image": None}
    for wrong in ({}, {"model": "a"}, {"image": 1, "zzz": 2}, {"image": 1, "oauth_token": "t"}, [], None):
        assert refused(json_bodies.named_arguments, wrong, parameters) == 422
    with pytest.raises(RequestError) as refusal:
        json_bodies.named_arguments({"image": 1, "zzz": 2}, parameters)
    assert "image, model" in refusal.value.sentence and "zzz" not in refusal.value.sentence


def test_a_cancel_body():
    whole = {"session_hash": "a", "fn_index": 2, "event_id": "e"}
    assert json_bodies.cancel_body({**whole, "more": "x"}) == whole
    for name in whole:
        assert refused(json_bodies.cancel_body, {**whole, name: None}) == 422
