"""The picture to share: its words, its pictures in place, and the one that comes with the app."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.rendering import drawing
from explorer.server.frontend import CARD_FILE
from explorer.settings import View
from explorer.tabs.what_if import card as cards
from explorer.tabs.what_if.answers import Answers
from explorer.tabs.what_if.settings import EditSettings

EXAMPLES = examples.embedded()
CALLER = SimpleNamespace(progress=None)


@pytest.fixture(scope="module")
def answers():
    return Answers(ExplanationService(), EXAMPLES)


@pytest.fixture
def sheets(monkeypatch):
    """Every sheet that a card is drawn from."""
    drawn = []
    monkeypatch.setattr(cards, "as_image", lambda sheet: drawn.append(sheet) or drawing.as_image(sheet))
    return drawn


def test_the_card_says_what_changed_and_shows_it(answers, sheets):
    story = str(EXAMPLES.story.file)
    jpeg = answers.card(story, View("embedded"), EditSettings(), CALLER)
    assert jpeg.startswith(b"\xff\xd8\xff") and jpeg == answers.card(story, View("embedded"), EditSettings(), CALLER)
    sheet = sheets[0]
    words = [text.words for text in sheet.texts]
    assert words[0].startswith("The model said Baya, over 99.9") and words[2] == "embedded, Grad-CAM at conv3"
    assert words[1].startswith("With the pot repainted red it says Rudo, 97.")
    assert words[3:7] == ["before", "heat for Baya", "after", "heat for Rudo, same scale"]
    before, _, after, _ = (picture.pixels for picture in sheet.pictures)
    photo = np.asarray(Image.open(story))
    assert (before == photo).all() and 0.05 < (after != photo).any(-1).mean() < 0.3
    assert all(picture.x >= 0 and picture.x + picture.width <= 1200 for picture in sheet.pictures)


def test_an_answer_that_stays_is_said_to_stay(answers, sheets):
    answers.card(str(EXAMPLES.story.file), View("debiased"), EditSettings(), CALLER)
    words = [text.words for text in sheets[0].texts]
    assert " it still says Rudo" in words[1] and words[6] == "heat for Rudo, same scale"


def test_long_names_stay_on_the_card(answers, sheets):
    long = EditSettings(region="hottest", edit="fill", percent=33)
    answers.card(str(EXAMPLES.every["real/camera"].file), View("imagenet"), long, CALLER)
    for text in sheets[0].texts:
        assert text.font.getlength(text.words) <= text.most + 1


def test_the_one_that_comes_with_the_app_is_a_fresh_one():
    """Up to what JPEG and another processor's last digits change."""
    fresh = Answers(ExplanationService(), EXAMPLES).card(
        str(EXAMPLES.story.file), View("embedded", base="photo"), EditSettings(), CALLER
    )
    kept, new = (np.asarray(Image.open(one).convert("RGB")).astype(int) for one in (CARD_FILE, io.BytesIO(fresh)))
    assert np.abs(kept - new).mean() < 1
