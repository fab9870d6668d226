"""Shared HTML: the button that enlarges an image, and the model line."""

import re
from html import unescape

import numpy as np
import pytest

from explorer.rendering.parts import model_line
from explorer.rendering.templates import render

PICTURE = np.zeros((8, 8, 3), np.uint8)


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.mark.parametrize(("place", "column"), [((), ""), (("cell", "rudo", "conv3"), "conv3")])
def test_cell_button_names_its_column(place, column):
    """The lightbox reads it, and offers Step by step only for a column with a layer."""
    button = render("parts.html", "cell_button", PICTURE, 'a "caption"', "name", *place)
    assert f'data-column="{column}"' in button and ("data-target" in button) == bool(column)
    assert button.count("a &#34;caption&#34;") == 3


def test_model_line_names_the_model_and_the_photos():
    assert words(model_line("mine", "It's <mine>.", False, "from the folder a&b")) == (
        "mine is speaking It's <mine>. The page begins with mine; here another was "
        "chosen. The example photos are from the folder a&b."
    )
    rendered = model_line("embedded", "The embedded classifier is speaking.", True, "rendered")
    assert words(rendered) == (
        "embedded is speaking The embedded classifier is speaking. The page begins with embedded; "
        "here another was chosen. "
        "The example photos are rendered, and "
        "the embedded classifier learned from such renders; the Hub's classifiers have only ever seen real photos."
    )
    measured = model_line("embedded", "pot_plant_classifier knows real photos: embedded speaks first.", True, "")
    assert "<summary>embedded is speaking</summary>" in measured  # whatever the reason's words are
    assert rendered.startswith('<details class="speaking" ') and rendered.count("<p") == 1
    assert '<span class="chosen" hidden>' in rendered  # until another is chosen
