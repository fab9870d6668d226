"""Each component's valid values, and the sentence for all others: it names the choices, never what was sent."""

import asyncio

import gradio as gr
import pytest

from explorer.server.upload import upload
from explorer.server.validation import ValidatedBlocks
from explorer.server.values import validated, validated_for_queue

MARK = "zebra"
ODD = [
    MARK,
    MARK * 1000,
    "",
    7,
    -1,
    0.5,
    10**400,
    float("nan"),
    float("inf"),
    True,
    [],
    [MARK],
    {},
    {"path": MARK},
    {"path": 7},
    {"path": None, "url": MARK},
    {"url": f"data:{MARK}"},
    "\ud800",
]


@pytest.fixture(scope="module")
def blocks():
    with ValidatedBlocks():
        return {
            "dropdown": gr.Dropdown(["one", "two"], label="dropdown: which"),
            "radio": gr.Radio(["one", "two"], label="radio: which"),
            "checkbox": gr.Checkbox(label="checkbox: whether"),
            "number": gr.Number(label="number: how many"),
            "slider": gr.Slider(1, 50, label="slider: how much"),
            "text": gr.Textbox(label="text: what"),
            "colour": gr.ColorPicker(label="colour: which"),
            "photo": upload(label="photo: of a plant"),
        }


GOOD = {
    "dropdown": ["one"], "radio": ["two"], "checkbox": [True, False, None], "number": [7, -0.5, 0, None, -0.0, 10**9],
    "slider": [1, 50, 2.5, None], "text": ["", "a" * 2000, None], "colour": ["#ffffff", None],
    "photo": [None, {"path": None}, {}],
}  # fmt: skip


def one(work, block, value):
    return asyncio.run(work([block], [value]))[0]


@pytest.mark.parametrize("name", GOOD)
def test_valid_values_pass(blocks, name):
    for value in GOOD[name]:
        wanted = None if name == "photo" else value
        assert one(validated, blocks[name], value) == wanted and one(validated_for_queue, blocks[name], value) == wanted


@pytest.mark.parametrize("work", [validated, validated_for_queue], ids=["in its turn", "before it waits"])
@pytest.mark.parametrize("name", GOOD)
def test_invalid_values_are_one_sentence(blocks, name, work):
    for value in ODD:
        try:
            taken = one(work, blocks[name], value)
        except ValueError as error:
            sentence = str(error)
            assert (
                sentence[0].isupper()
                and sentence.endswith(".")
                and len(sentence) < 200
                and MARK not in sentence
                and "Error" not in sentence
            ), sentence
        else:
            assert taken is None or (isinstance(taken, str | int | float | bool) and len(str(taken)) <= 2000), (
                name,
                value,
            )
            assert (
                work is validated_for_queue or taken in GOOD[name] or name in ("text", "colour", "number", "slider")
            ), (
                name,
                value,
            )


@pytest.mark.parametrize("value", [0, 51, -1, 10**400, float("nan")])
def test_a_number_out_of_range(blocks, value):
    with pytest.raises(ValueError, match="from 1 to 50"):
        one(validated, blocks["slider"], value)


def test_a_url_is_queued_as_it_is_and_fetched_later(blocks):
    """A photo is fetched when there is a place for the question, and nothing of what came with its address stays."""
    said = {"path": "http://127.0.0.1:9/photo.jpg", "meta": {MARK: [MARK] * 999}, "url": MARK}
    assert one(validated_for_queue, blocks["photo"], said) == {"path": said["path"]}
    with pytest.raises(ValueError, match="could not be fetched"):
        one(validated, blocks["photo"], said)


def test_a_states_value_cannot_be_sent(blocks):
    with ValidatedBlocks():
        state = gr.State("kept")
    assert one(validated, state, {MARK: [MARK]}) is None and one(validated_for_queue, state, [MARK]) is None


def test_surplus_and_missing_values(blocks):
    both = [blocks["number"], blocks["text"]]
    assert (
        asyncio.run(validated(both, [1, "a", MARK, [MARK]]))
        == asyncio.run(validated_for_queue(both, [1, "a", MARK]))
        == [1, "a"]
    )
    with pytest.raises(ValueError, match="takes 2 values, of which 1 came: number, text"):
        asyncio.run(validated_for_queue(both, [1]))


def test_a_components_own_error_is_passed_on():
    """Gradio puts words around it that repeat the value."""

    class Picky(gr.Textbox):
        def preprocess(self, payload):
            raise ValueError("Not today.")

    with ValidatedBlocks() as page:
        picky = Picky(label="picky: what")
        gr.Button().click(lambda text: text, picky, picky)
    with pytest.raises(gr.Error) as refusal:
        asyncio.run(page.process_api(page.fns[0], [MARK]))
    assert refusal.value.message == "Not today."
