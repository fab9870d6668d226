"""HTML of the tab What if?: words, pictures and the drawing pad agree with the intervention."""

import numpy as np
import pytest

import potplants
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.what_if.intervention import Change, Intervention, compare, intervene, repaint_in_every_colour
from explorer.tabs.what_if.view import answer, drawing_pad, edited, name_of, peak_words, result

EXAMPLE = examples.embedded().story


def test_edits_and_answers_in_words(service, before, red_pot):
    assert edited(red_pot) == "the pot repainted red"
    hottest = intervene(service, before, Change(percent=10, edit="blur"), EXAMPLE)
    assert edited(hottest) == "the hottest 10 % for Baya at conv3 blurred"
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
def test_change_of_the_peak_in_words(monkeypatch, red_pot, peaks, word):
    monkeypatch.setattr(Intervention, "peaks", peaks)
    assert word in peak_words(red_pot)


def test_result_has_alt_texts_and_a_caution(red_pot, service, before):
    repainted, _ = repaint_in_every_colour(service.device, before, red_pot.region)
    html = result(red_pot, compare(red_pot, View()), repainted, View())
    assert html.count("<img alt=") + html.count('<img class="after" alt=') == 2 + 2 + 5
    assert 'alt=""' not in html
    assert "unlike any" in html and "http" not in html
    assert html.count('scope="row"') == len(potplants.CLASSES)
    assert f"{red_pot.after.logits[0] - red_pot.before.logits[0]:+.2f}" in html


def test_the_drawing_pad_names_its_photo(before, red_pot):
    assert name_of(before.photo) in drawing_pad(before)
    assert name_of(before.photo) != name_of(red_pot.after.photo)
