"""Deep links: every view survives the round trip through a URL, and unknown values are left out."""

from dataclasses import FrozenInstanceError, replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

import classifiers
from explorer import deep_links
from explorer.deep_links import OWN, Link, query
from explorer.explanation.grid import BASES
from explorer.explanation.outlines import OUTLINES
from explorer.explanation.targets import target_choices
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS
from explorer.settings import DEEPEST, View
from explorer.tabs.what_if.change import EDITS, REGIONS
from explorer.tabs.what_if.settings import EditSettings
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

EXAMPLES = examples.embedded()
TABS = ("explain", "steps", "what-if", "audit", "trust")


def link_of(parameters, examples):
    return deep_links.link_of(parameters, examples, TABS, "embedded")


def parameters(query):
    return dict(parse_qsl(query.removeprefix("?"), strict_parsing=bool(query)))


@st.composite
def links(draw):
    model = draw(st.sampled_from(["", *MODELS]))
    choices = {
        "method": METHODS,
        "layer": (DEEPEST, "conv1", "conv2", "conv3"),
        "base": BASES,
        "colormap": COLORMAPS,
        "scale": SCALES,
        "outline": OUTLINES,
        "beside": ("none", *MODELS),
    }
    settings = {name: draw(st.sampled_from(list(names))) for name, names in choices.items()}
    target = draw(st.sampled_from(target_choices(classifiers.find(model or "embedded"))))
    example = draw(st.sampled_from([None, *EXAMPLES.every]))
    edit = EditSettings(
        region=draw(st.sampled_from(REGIONS)),
        percent=draw(st.integers(1, 50)),
        edit=draw(st.sampled_from(list(EDITS))),
        colour=draw(st.sampled_from(list(POT_COLOURS))),
        points=draw(st.sampled_from(["", "12,200", "3,4 -5,6"])),
        hue=draw(st.sampled_from(["", "0", "350"])),
    )
    return Link(example, View(model, target=target, **settings), draw(st.sampled_from(TABS)), edit)


@given(links())
def test_a_link_survives_the_round_trip(link):
    assert link_of(parameters(query(link)), EXAMPLES) == (link, ())


def test_defaults_are_left_out_of_the_query():
    assert query(Link()) == ""
    assert query(Link("test/0_001", View(layer="conv2"))) == "?example=test%2F0_001&layer=conv2"


def test_old_links_keep_their_meaning():
    """Defaults are written out here, since changing one would change links that leave it out."""
    defaults = Link(
        example=None,
        view=View(
            model="",
            method="Grad-CAM",
            target="predicted",
            layer="deepest",
            base="edges",
            colormap="jet",
            scale="each map",
        ),
        tab="explain",
        edit=EditSettings("pot", 10, "repaint", "red", "#7a3fb0", 20, "", None, ""),
    )
    assert link_of({}, EXAMPLES) == (defaults, ())
    for tab in ("explain", "steps", "what-if", "audit", "trust"):
        assert link_of({"tab": tab}, EXAMPLES) == (replace(defaults, tab=tab), ())


def test_views_are_hashable_and_frozen():
    assert {View(layer="conv2"), View(layer="conv2"), View()} == {View(), View(layer="conv2")}
    with pytest.raises(FrozenInstanceError):
        View().layer = "conv2"


@pytest.mark.parametrize(
    "unknown",
    [
        {"example": "../../etc/passwd"},
        {"model": "resnet"},
        {"method": ""},
        {"target": "further left"},  # the embedded classifier has no such target
        {"layer": "conv9"},
        {"tab": "<a href=//evil.example>Sign in again</a>"},
        {"base": "Your time is up, go to evil.example"},
        {"region": "shelf"},
        {"points": "<b>"},
        {"hue": "15"},
    ],
)
def test_an_unknown_value_is_left_out_with_a_sentence(unknown):
    link, missing = link_of({**unknown, "scale": "shared", "utm_source": "elsewhere"}, EXAMPLES)
    assert link == Link(view=View(scale="shared"))
    ((name, value),) = unknown.items()
    assert missing == (f"The {name} that the link asks for is not here; the page opens with another.",)
    assert not value or value not in missing[0]


def test_targets_depend_on_the_model():
    link, missing = link_of({"model": "car_single_room", "target": "further left"}, EXAMPLES)
    assert link.view.target == "further left" and not missing


def test_a_link_from_an_own_photo_says_to_whoever_opens_it_that_the_photo_is_not_in_it():
    written = query(Link(OWN, View("embedded", layer="conv2")))
    link, sentences = link_of(parameters(written), EXAMPLES)
    assert link == Link(view=View("embedded", layer="conv2")) and len(sentences) == 1
    assert "sender's own photo" in sentences[0] and OWN not in EXAMPLES.every
