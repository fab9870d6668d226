"""HTML of the tab What if?: words, pictures and the drawing pad agree with the intervention."""

import numpy as np
import pytest

import potplants
from explorer.photos import examples
from explorer.rendering.templates import render
from explorer.settings import View
from explorer.tabs.what_if.change import Change
from explorer.tabs.what_if.intervention import compare_both, intervene, repaint_in_every_colour
from explorer.tabs.what_if.view import answer, cut_of, drawing_pad, edited, more, name_of, peak_words, result

EXAMPLE = examples.embedded().story


def test_edits_and_answers_in_words(service, before, red_pot):
    assert edited(red_pot) == "the pot repainted red"
    hottest = intervene(service, before, Change(percent=10, edit="blur"), EXAMPLE)
    assert edited(hottest) == "the hottest 10 % for Baya at conv3 blurred"
    purple = intervene(service, before, Change(region="pot", colour="#7a3fb0"), EXAMPLE)
    assert edited(purple) == "the pot repainted purple (#7a3fb0)"
    assert answer(before.model, [0.0, 0.0, np.log(2), -np.inf]) == "Greg, 50.0 %"


@pytest.mark.parametrize(
    ("peaks", "word"),
    [
        ((0, 0), "neither"),
        ((2, 0), "falls to zero"),
        ((0, 2), "rises from zero"),
        ((2, 1), "falls to 0.5 times"),
        ((1, 3), "rises to 3 times"),
        ((1, 1.04), "about the same"),
    ],
)
def test_change_of_the_peak_in_words(peaks, word):
    sentence = peak_words("baya", *peaks)
    assert word in sentence and sentence.startswith("The peak for Baya")


def test_result_has_alt_texts_and_a_caution(red_pot, service, before):
    repainted, _ = repaint_in_every_colour(service.device, before, red_pot.region)
    cells = compare_both(service, red_pot, View())
    html = result(red_pot) + more(red_pot, cells, repainted, View())
    assert (
        html.count("<img alt=") + html.count('<img class="after" alt=') == 2 + 4 + 5
    )  # the heat for baya and for rudo
    assert 'alt=""' not in html
    assert "unlike any" in html and "http" not in html
    assert html.count('scope="row"') == len(potplants.CLASSES)
    assert f"{red_pot.after.logits[0] - red_pot.before.logits[0]:+.2f}" in html


def test_the_drawing_pad_names_its_photo(before, red_pot):
    assert name_of(before.photo) in drawing_pad(before.frame, "brush")
    assert name_of(before.photo) != name_of(red_pot.after.photo)


def test_the_curtain_opens_on_what_changed(before, red_pot):
    """Half of the pot's pixels are on either side of where it rests."""
    first, half, last = cut_of(before.frame, red_pot.region)
    columns = np.flatnonzero(red_pot.region.any(0))
    assert first < 100 * columns[0] / 256 < half < 100 * columns[-1] / 256 < last
    left = red_pot.region[:, : round(half / 100 * 256)].sum()
    assert abs(left / red_pot.region.sum() - 0.5) < 0.02
    assert f"--cut: {half}%; --from: {first}%" in result(red_pot)


def test_both_sides_of_a_changed_answer_are_shown(service, red_pot):
    """Where Rudo comes from, and where Baya goes, on one scale."""
    (baya, rudo) = compare_both(service, red_pot, View())
    assert [cell.target for cell in (*baya, *rudo)] == ["baya", "baya", "rudo", "rudo"]
    assert rudo[1].peak > rudo[0].peak and baya[1].peak <= baya[0].peak


@pytest.mark.parametrize(
    ("maps", "words"),
    [(1, "This map is on this scale."), (2, "Both maps are on this scale."), (4, "All 4 maps are on this one scale.")],
)
def test_the_scale_is_told_in_plain_words_for_any_number_of_maps(maps, words):
    assert render("what_if/template.html", "on_scale", maps) == words
