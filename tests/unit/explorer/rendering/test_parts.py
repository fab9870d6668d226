"""What no tab has to itself: a picture to enlarge, the line of who speaks."""

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
def test_every_picture_to_enlarge_says_of_which_column_it_is(place, column):
    """The lightbox reads it, and offers the steps of a column's layer; of none, none."""
    button = render("parts.html", "cell_button", PICTURE, 'a "caption"', "name", *place)
    assert f'data-column="{column}"' in button and ("data-target" in button) == bool(column)
    assert button.count("a &#34;caption&#34;") == 3


def test_who_speaks_is_said_with_what_the_photos_are():
    assert words(model_line("It's <mine>.", False, "from the folder a&b")) == (
        "It's <mine>. The example photos are from the folder a&b."
    )
    rendered = model_line("The embedded classifier is speaking.", True, "rendered")
    assert words(rendered) == (
        "The embedded classifier is speaking. The example photos are rendered, and the embedded classifier learned from "
        "such renders; the Hub's classifiers have only ever seen real photos."
    )
    assert rendered.startswith('<p class="speaking">') and rendered.count("<p") == 1
