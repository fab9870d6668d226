"""The hue wheel: every hue's logits are those of single passes, and the story's answer turns where it is marked."""

import re

import pytest
import torch

from explorer.photos import examples
from explorer.photos.colours import HUES, STEP, hues
from explorer.photos.edits import repaint
from explorer.tabs.what_if.change import Change
from explorer.tabs.what_if.hue_view import flip_words, start_of, wheel
from explorer.tabs.what_if.hues import Turned, Wheel
from explorer.tabs.what_if.intervention import intervene

EXAMPLE = examples.embedded().story


@pytest.fixture(scope="module")
def turned(service, before, red_pot):
    return Wheel(service).turn(before, red_pot.region)


def test_logits_at_a_hue_are_those_of_one_repainted_photo(service, before, red_pot, turned):
    assert turned.logits.shape == (HUES, 4)
    for step in (0, 7, 29):
        photo = repaint(before.photo, red_pot.region, hues()[step])
        with torch.no_grad():
            logits = service.network("embedded")(torch.from_numpy(photo).permute(2, 0, 1)[None] / 255)[0]
        torch.testing.assert_close(turned.logits[step], logits, rtol=1e-4, atol=1e-4)


def test_the_hue_at_which_baya_becomes_rudo_is_found(turned):
    """Red is near 40°, blue near 290°."""
    assert turned.predicted[4] == "rudo" and turned.predicted[29] == "baya"
    became = {(flip.was, flip.becomes) for flip in turned.flips}
    assert any(was == "baya" or becomes == "baya" for was, becomes in became)
    for flip in turned.flips:
        assert (
            turned.predicted[flip.before // STEP] == flip.was and turned.predicted[flip.after // STEP] == flip.becomes
        )
        assert (flip.before + STEP) % 360 == flip.after
    assert all(re.search(r"becomes \w+ between \d+° \([a-z ]+\) and \d+°", words) for words in flip_words(turned)[:6])


def test_flips_go_around_the_circle(before):
    logits = torch.zeros(HUES, 4)
    logits[:, 1] = 1  # Baya everywhere
    logits[:9, 0] = 2  # but Rudo from 0° to 80°
    turned = Turned(before.model, logits)
    assert [(flip.before, flip.after, flip.was, flip.becomes) for flip in turned.flips] == [
        (80, 90, "rudo", "baya"),
        (350, 0, "baya", "rudo"),
    ]
    same = Turned(before.model, torch.zeros(HUES, 4))
    assert same.flips == () and "does not change" in flip_words(same)[0]


def test_a_region_is_asked_once(service, before, red_pot, turned):
    wheel = Wheel(service)
    assert wheel.known(before, red_pot.region) is None
    first = wheel.turn(before, red_pot.region)
    assert wheel.turn(before, red_pot.region) is first is wheel.known(before, red_pot.region)
    assert torch.equal(first.logits, turned.logits)


def test_the_wheel_starts_at_the_colour_and_says_what_the_model_does(service, before, red_pot, turned):
    assert start_of(red_pot) == 40
    blue = intervene(service, before, Change(region="pot", colour="blue"), EXAMPLE)
    assert start_of(blue) in (280, 290)
    html = wheel(red_pot, turned)
    assert "Baya" in html and "becomes" in html and html.count("<polyline") >= 4
    assert "becomes" not in wheel(red_pot, None)
