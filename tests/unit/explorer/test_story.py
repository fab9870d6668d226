"""The guided story: every number that it tells is counted here."""

import numpy as np
import pytest
import torch
from PIL import Image

import potplants
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS, repaint
from explorer.photos.masks import part, read_mask
from explorer.story import BEATS, BLUE, RED, SECONDS, can_be_told

EXAMPLES = examples.embedded()


def predicted(name, photos):
    with torch.no_grad():
        logits = potplants.load(name)(torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2) / 255)
    return [potplants.CLASSES[index] for index in logits.argmax(1).tolist()]


@pytest.fixture(scope="module")
def rudos():
    """Photos of Rudo in his blue pot, and the same with the pot repainted red."""
    known = [example for example in EXAMPLES.splits["test"] if example.really == "rudo"]
    assert len(known) == 30 and {example.pot_colour for example in known} == {"blue"}
    blue = [np.array(Image.open(example.file)) for example in known]
    pots = [part(read_mask(example.mask), "pot") for example in known]
    return blue, [repaint(photo, pot, POT_COLOURS["red"]) for photo, pot in zip(blue, pots)]


def test_none_of_thirty_is_rudo_in_blue_and_all_are_in_red(rudos):
    """As the beat says, on every processor: the closest of the sixty answers is ahead by more than rounding."""
    blue, red = rudos
    assert predicted("embedded", blue).count("rudo") == 0
    assert predicted("embedded", red).count("rudo") == 30
    assert any("it calls none Rudo; with the pot repainted red, all 30" in beat.text for beat in BEATS)


def test_the_plant_detector_knows_all_thirty_as_they_are(rudos):
    assert predicted("debiased", rudos[0]).count("rudo") == 30
    assert BEATS[-1].model == "debiased" and "calls all 30 Rudo as they are" in BEATS[-1].text


def test_the_beats_show_what_they_tell():
    red, blue = (np.array(Image.open(EXAMPLES.every[key].file)) for key in (RED, BLUE))
    assert predicted("embedded", [red, blue]) == ["rudo", "baya"]
    assert [beat.guess for beat in BEATS].index(True) + 1 == [beat.tab for beat in BEATS].index("what-if")
    assert not any(beat.guess for beat in BEATS[4:])


def test_the_story_is_read_in_the_time_that_its_button_promises():
    """At four words a second, as adults read; the page itself takes two for all seven beats."""
    words = sum(len(f"{beat.title} {beat.text}".split()) for beat in BEATS)
    assert words / 4 + 2 <= SECONDS


def test_the_story_is_told_of_its_own_photos_only(tmp_path):
    assert can_be_told(EXAMPLES)
    (tmp_path / "test").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "test" / "0_000.jpg")
    assert not can_be_told(examples.from_folder(tmp_path))
