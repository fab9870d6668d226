"""A link says what is seen, and nothing else: every view survives the way into a URL and back."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import examples
from explorer.grid import BASES
from explorer.links import TABS, View, query, view_of
from explorer.study import COLUMNS, choices
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

EXAMPLES = examples.embedded()


def parameters(link):
    return dict(parse_qsl(link.removeprefix("?"), strict_parsing=bool(link)))


@st.composite
def views(draw):
    model = draw(st.sampled_from([None, *MODELS]))
    pick = {"method": METHODS, "layer": COLUMNS, "base": BASES, "colormap": COLORMAPS, "scale": SCALES, "tab": TABS}
    chosen = {name: draw(st.sampled_from(list(there))) for name, there in pick.items()}
    example = draw(st.sampled_from([None, *EXAMPLES.every]))
    return View(example, model, target=draw(st.sampled_from(choices(MODELS.get(model)))), **chosen)


@given(views())
def test_there_and_back(view):
    assert view_of(parameters(query(view)), EXAMPLES) == (view, ())


def test_the_page_as_it_opens_needs_no_words():
    assert query(View()) == ""
    assert query(View(example="test/0_001", layer="conv2")) == "?example=test%2F0_001&layer=conv2"


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
    assert len(missing) == 1 and f"The {name} that the link asks for" in missing[0]
    assert not value or value not in missing[0]


def test_a_model_brings_its_own_targets():
    view, missing = view_of({"model": "car_single_room", "target": "further left"}, EXAMPLES)
    assert view.target == "further left" and not missing
