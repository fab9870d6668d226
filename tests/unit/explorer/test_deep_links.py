"""A link says what is seen, and nothing else: every view survives the way into a URL and back."""

from dataclasses import FrozenInstanceError, replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import deep_links
from explorer.deep_links import Link, query
from explorer.explanation.grid import BASES
from explorer.explanation.service import COLUMNS, target_choices
from explorer.photos import examples
from explorer.settings import View
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

EXAMPLES = examples.embedded()


TABS = ("explain", "steps", "what-if", "audit", "trust")


def link_of(parameters, examples):
    return deep_links.link_of(parameters, examples, TABS)


def parameters(address):
    return dict(parse_qsl(address.removeprefix("?"), strict_parsing=bool(address)))


@st.composite
def links(draw):
    model = draw(st.sampled_from(["", *MODELS]))
    pick = {"method": METHODS, "layer": COLUMNS, "base": BASES, "colormap": COLORMAPS, "scale": SCALES}
    settings = {name: draw(st.sampled_from(list(there))) for name, there in pick.items()}
    target = draw(st.sampled_from(target_choices(MODELS.get(model))))
    example = draw(st.sampled_from([None, *EXAMPLES.every]))
    return Link(example, View(model, target=target, **settings), draw(st.sampled_from(TABS)))


@given(links())
def test_a_link_survives_the_url(link):
    assert link_of(parameters(query(link)), EXAMPLES) == (link, ())


def test_the_page_as_it_opens_has_an_empty_query():
    assert query(Link()) == ""
    assert query(Link("test/0_001", View(layer="conv2"))) == "?example=test%2F0_001&layer=conv2"


def test_a_link_that_was_sent_keeps_its_meaning():
    """What it leaves out is as the page opened then: written out here, lest a changed default change it."""
    opened = Link(
        example=None,
        view=View(
            model="",
            method="Grad-CAM",
            target="predicted",
            layer="conv3",
            base="edges",
            colormap="jet",
            scale="each map",
        ),
        tab="explain",
    )
    assert link_of({}, EXAMPLES) == (opened, ())
    for tab in ("explain", "steps", "what-if", "audit", "trust"):
        assert link_of({"tab": tab}, EXAMPLES) == (replace(opened, tab=tab), ())


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
    link, missing = link_of({**asked, "scale": "shared", "utm_source": "elsewhere"}, EXAMPLES)
    assert link == Link(view=View(scale="shared"))
    ((name, value),) = asked.items()
    assert missing == (f"The {name} that the link asks for is not here; the page opens with another.",)
    assert not value or value not in missing[0]


def test_a_model_brings_its_own_targets():
    link, missing = link_of({"model": "car_single_room", "target": "further left"}, EXAMPLES)
    assert link.view.target == "further left" and not missing
