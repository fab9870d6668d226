"""The tab's answer where there is none: the sentence, and Grad-CAM's button only where that is the way out."""

import pytest

from explorer.controls import Caller
from explorer.explanation.device import ignore_progress
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.explain.tab import answered

STORY = examples.embedded().story.file
BUTTON = 'data-method="Grad-CAM"'


@pytest.mark.parametrize(
    ("named", "words", "button"),
    [
        ({}, "embedded has none that can be read: use Grad-CAM.", True),
        ({"file": __file__}, "photo", False),
        ({"model": "nobody"}, "There is no model", False),
        ({"model": "embedded_gap", "target": "nobody"}, "no class", False),
        ({"model": "embedded_gap", "base": "nothing"}, "There is no base", False),
    ],
)
def test_the_way_out_is_offered_where_it_is_one(named, words, button):
    file = named.pop("file", STORY)
    view = View(**{"model": "embedded", "method": "CAM", **named})
    message, grid = answered(ExplanationService(), examples.embedded(), file, view, Caller(ignore_progress, None))
    assert words in message and not grid and (BUTTON in message) == button
