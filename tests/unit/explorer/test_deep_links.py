"""A link says what is seen, and nothing else: every view survives the way into a URL and back."""

from dataclasses import FrozenInstanceError, replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import deep_links
from explorer.deep_links import View, query
from explorer.explanation.grid import BASES
from explorer.explanation.service import COLUMNS, target_choices
from explorer.photos import examples
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

EXAMPLES = examples.embedded()


TABS = ("explain", "steps", "what-if", "audit", "trust")


def view_of(parameters, examples):
    return deep_links.view_of(parameters, examples, TABS)


def parameters(link):
    return dict(parse_qsl(link.removeprefix("?"), strict_parsing=bool(link)))


@st.composite
def views(draw):
    model = draw(st.sampled_from([None, *MODELS]))
    pick = {"method": METHODS, "layer": COLUMNS, "base": BASES, "colormap": COLORMAPS, "scale": SCALES, "tab": TABS}
    chosen = {name: draw(st.sampled_from(list(there))) for name, there in pick.items()}
    example = draw(st.sampled_from([None, *EXAMPLES.every]))
    return View(example, model, target=draw(st.sampled_from(target_choices(MODELS.get(model)))), **chosen)


@given(views())
def test_there_and_back(view):
    assert view_of(parameters(query(view)), EXAMPLES) == (view, ())


def test_the_page_as_it_opens_needs_no_words():
    assert query(View()) == ""
    assert query(View(example="test/0_001", layer="conv2")) == "?example=test%2F0_001&layer=conv2"


def test_a_link_that_was_sent_keeps_its_meaning():
    """What it leaves out is as the page opened then: written out here, lest a changed default change it."""
    opened = View(
        example=None,
        model=None,
        method="Grad-CAM",
        target="predicted",
        layer="conv3",
        base="edges",
        colormap="jet",
        scale="each map",
        tab="explain",
    )
    assert view_of({}, EXAMPLES) == (opened, ())
    for tab in ("explain", "steps", "what-if", "audit", "trust"):
        assert view_of({"tab": tab}, EXAMPLES) == (replace(opened, tab=tab), ())


def test_a_view_is_a_value():
    """Equal ones are one, and none is changed under whoever holds it."""
    assert {View(layer="conv2"), View(layer="conv2"), View()} == {View(), View(layer="conv2")}
    with pytest.raises(FrozenInstanceError):
        View().layer = "conv2"


@pytest.mark.parametrize(
    "asked",
    [
        {"example": "../../etc/passwd"},
        {"model": "resnet"},
        {"method": ""},
        {"target": "further left"},  # the embedded classifier knows no such thing
        {"layer": "conv9"},
        {"tab": "<a href=//evil.example>Sign in again</a>"},
        {"base": "Your time is up, go to evil.example"},
    ],
)
def test_what_is_not_here_is_told_and_left_out(asked):
    view, missing = view_of({**asked, "scale": "shared", "utm_source": "elsewhere"}, EXAMPLES)
    assert view == View(scale="shared")
    ((name, value),) = asked.items()
    assert missing == (f"The {name} that the link asks for is not here; the page opens with another.",)
    assert not value or value not in missing[0]


def test_a_model_brings_its_own_targets():
    view, missing = view_of({"model": "car_single_room", "target": "further left"}, EXAMPLES)
    assert view.target == "further left" and not missing
