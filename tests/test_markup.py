"""The words on the page: honest about probabilities, safe with a visitor's text."""

import re

import pytest

from explorer import examples, markup
from explorer.grid import draw
from explorer.study import Studies


@pytest.fixture(scope="module")
def story():
    return Studies().of(examples.embedded().story.file, "embedded", "Grad-CAM")


@pytest.mark.parametrize(
    ("probability", "words"), [(1.0, "over 99.9 %"), (0.9987, "99.9 %"), (0.5, "50.0 %"), (0.0, "under 0.1 %"), (0.0012, "0.1 %")]
)
def test_percent(probability, words):
    assert markup.percent(probability) == words


def test_the_verdict_knows_right_from_wrong(story):
    assert "✓ really Baya" in markup.verdict(story, story.predicted).replace(story.predicted.capitalize(), "Baya")
    wrong = next(name for name in story.model.classes if name != story.predicted)
    assert f"✗ really {wrong.capitalize()}" in markup.verdict(story, wrong)
    assert "really" not in markup.verdict(story, None)


def test_a_refusal_is_escaped():
    assert "<b>" not in markup.refusal("<b>no</b>") and 'role="alert"' in markup.refusal("no")


def test_the_matrix_has_a_word_for_every_picture(story):
    html = markup.matrix(story, draw(story, "edges", "jet", "each map"), "jet", "each map")
    assert len(re.findall(r'<img alt="[^"]+ · [^"]+ · [^"]+"', html)) == 20
    assert html.count('scope="row"') == 5 and html.count('scope="col"') == 5
    assert len(re.findall(r"http", html)) == 0


def test_the_colour_bar_names_its_scale():
    assert "own peak" in markup.colour_bar("jet", "each map")
    assert "all maps" in markup.colour_bar("viridis", "shared")
    assert "rgb(68,1,84)" in markup.colour_bar("viridis", "shared")  # viridis begins there


def test_the_strip_shows_every_example():
    shown = examples.embedded()
    html = markup.strip(shown)
    assert re.findall(r'data-index="(\d+)"', html) == [str(index) for index in range(len(shown.shown))]
    assert all(example.caption in html for example in shown.shown)
