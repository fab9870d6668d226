"""What if: the pot changes the plant's name; both answers, both maps and the words agree with what was computed."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from tolerances import same_logits

import potplants
from explorer.explanation.service import ExplanationService, as_image
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import part, read_mask
from explorer.settings import View
from explorer.tabs.what_if import view as what_if_markup
from explorer.tabs.what_if.intervention import (
    EDITS,
    REGIONS,
    Change,
    Intervention,
    compare,
    in_every_colour,
    intervene,
    region,
)
from gradcam import colour_table

EXAMPLES = examples.embedded()
STORY = EXAMPLES.story
RED_POT = Change(region="pot", edit="repaint", colour="red")


@pytest.fixture(scope="module")
def service():
    return ExplanationService()


@pytest.fixture(scope="module")
def story(service):
    return service.explain_file(STORY.file, "embedded", "Grad-CAM")


@pytest.fixture(scope="module")
def red_pot(service, story):
    return intervene(service, story, RED_POT, STORY)


def test_red_pots_turn_the_test_rudos_into_rudo(service):
    """All of them wear Baya's blue. Painted red, nearly all are Rudo; painted blue over blue, they stay what they were."""
    rudos = [example for key, example in EXAMPLES.every.items() if example.split == "test" and example.really == "rudo"]
    photos = [service.prepare(example.file, "embedded")[0] for example in rudos]
    pots = [part(read_mask(example.mask), "pot") for example in rudos]

    def said(photos):
        with torch.inference_mode():
            logits = service.network("embedded")(torch.cat([as_image(photo) for photo in photos]))
        return np.array(potplants.CLASSES)[logits.argmax(1)]

    red, blue = ([EDITS["repaint"](*photo, colour) for photo in zip(photos, pots)] for colour in ("red", "blue"))
    as_they_are = said(photos)
    assert len(rudos) == 30 and (as_they_are == "baya").sum() >= 25
    assert (said(red) == "rudo").sum() >= 25
    assert (said(blue) == as_they_are).sum() >= 25


def test_the_story_in_one_question(red_pot):
    assert (red_pot.before.predicted, red_pot.after.predicted) == ("baya", "rudo")
    assert red_pot.question.target == "baya"  # asked before anything changed, and kept
    pot = part(read_mask(STORY.mask), "pot")
    assert (red_pot.where == pot).all() and red_pot.share == pytest.approx(np.count_nonzero(pot) / 256**2)
    differs = (red_pot.before.photo.astype(int) != red_pot.after.photo).any(-1)
    assert red_pot.changed == pytest.approx(differs.mean()) and differs[pot].mean() > 0.98


def test_the_answer_after_is_the_networks_own(service, red_pot):
    photo = torch.from_numpy(red_pot.after.photo).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        logits = service.network("embedded")(photo)[0]
    same_logits(red_pot.after.logits, logits)


def test_the_report_is_json_and_adds_up(red_pot):
    report = json.loads(json.dumps(red_pot.report()))
    assert report["region"] == {"kind": "pot", "percent": pytest.approx(100 * red_pot.where.mean())}
    for when, explained in (("before", red_pot.before), ("after", red_pot.after)):
        assert report[when]["predicted"] == explained.predicted
        assert [entry["logit"] for entry in report[when]["classes"]] == pytest.approx(explained.logits)
        assert sum(entry["probability"] for entry in report[when]["classes"]) == pytest.approx(1)
        assert report[when]["peak"] == pytest.approx(explained.evidence[1, 2].max().item())  # baya at conv3
        assert report[when]["empty"] == (report[when]["peak"] <= 0)
    for before, after, change in zip(report["before"]["classes"], report["after"]["classes"], report["change"]):
        assert before["name"] == after["name"] == change["name"]
        assert before["logit"] + change["logit"] == pytest.approx(after["logit"])
        assert before["probability"] + change["probability"] == pytest.approx(after["probability"])
    assert report["colour"] == "red" and report["edit"] == "repaint"


def test_a_colour_that_was_not_used_is_not_reported(service, story):
    assert intervene(service, story, replace(RED_POT, edit="blur"), STORY).report()["colour"] is None


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_of_every_region(service, edit):
    example = EXAMPLES.every["test/2_000"]  # its soil can be seen
    before = service.explain_file(example.file, "embedded", "Grad-CAM")
    drawn = np.zeros((256, 256), bool)
    drawn[100:140, 60:120] = True
    for name in REGIONS:
        found = intervene(service, before, Change(region=name, edit=edit, percent=5), example, drawn)
        assert found.changed > 0 and found.where.any(), name
        near = cv2.dilate(found.where.astype(np.uint8), np.ones((13, 13))) > 0  # where the soft edge may reach
        assert (found.after.photo == found.before.photo)[~near].all(), name


def test_both_maps_share_one_scale(service, story):
    """Against the table itself: the colour number heat · 255 / the stronger peak of the two."""
    found = intervene(service, story, replace(RED_POT, target="rudo", layer="conv2"), STORY)
    cells = compare(found, View(base="none", colormap="viridis"))
    heats = [explained.evidence[0, 1].numpy() for explained in (found.before, found.after)]
    top = max(heat.max() for heat in heats)
    assert [cell.peak for cell in cells] == pytest.approx([heat.max() for heat in heats])
    assert 0 < min(cell.peak for cell in cells) < 0.9 * top  # one of them must look weaker
    for cell, heat in zip(cells, heats):
        expected = colour_table("viridis")[(heat * (255 / top)).astype(np.uint8)].astype(int)
        assert abs(cell.picture - expected).max() <= 4  # a colour number may round the other way


def test_a_map_that_was_emptied_is_plain_and_said_so(red_pot):
    before, after = compare(red_pot, View(base="photo"))
    assert not before.empty and after.empty == (red_pot.peaks[1] <= 0)
    assert after.empty and (after.picture == red_pot.after.photo).all() and "no positive evidence" in after.caption
    assert "falls to zero" in what_if_markup.peak_words(red_pot)


def test_the_hottest_region_is_the_hottest(story):
    where = region(story, Change(percent=5, target="baya", layer="conv2"), None, None)
    heat = story.evidence[1, 1].numpy()
    assert where.sum() == round(0.05 * 256**2) and heat[where].min() >= heat[~where].max()


def test_every_colour_and_as_it_is(service, story, red_pot):
    paints, _ = in_every_colour(service.device, story, red_pot.where)
    assert [paint.colour for paint in paints] == [None, *POT_COLOURS]
    assert (paints[0].photo == story.photo).all() and (paints[1].photo == red_pot.after.photo).all()
    same_logits(paints[0].logits, story.logits)
    same_logits(paints[1].logits, red_pot.after.logits)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"region": "shelf"}, "soil"),
        ({"edit": "erase"}, "blur"),
        ({"colour": "mauve"}, "terracotta"),
        ({"target": "fern"}, "yuki"),
        ({"layer": "conv9"}, "conv3"),
        ({"region": "hottest", "percent": 0}, "above 0"),
        ({"region": "brush"}, "draw"),
        ({"region": "soil"}, "cannot be seen"),  # Rudo's rosette hides it
    ],
)
def test_what_cannot_be_asked_is_a_sentence(service, story, wrong, word):
    with pytest.raises(ValueError, match=word) as refusal:
        intervene(service, story, replace(RED_POT, **wrong), STORY)
    assert str(refusal.value).endswith(".")


def test_a_photo_without_a_mask_offers_the_others(service, story):
    for unmarked in (None, replace(STORY, file=STORY.file.with_name("elsewhere.jpg"))):
        with pytest.raises(ValueError, match="pot.*hottest.*brush"):
            intervene(service, story, RED_POT, unmarked)


class Steering(torch.nn.Module):
    """A number from three convolutions: how much red the left half of a photo has, less the right's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv_layers = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 1, bias=False) for _ in range(3)))
        for conv in self.conv_layers:
            conv.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images):
        maps = self.conv_layers(images)[:, 0]
        return (maps[..., : maps.shape[-1] // 2].mean((1, 2)) - maps[..., maps.shape[-1] // 2 :].mean((1, 2)))[:, None]


@pytest.fixture
def steering(monkeypatch):
    """A model that answers with a number, 64 × 64, in the catalogue."""
    layers = ("conv_layers.0", "conv_layers.1", "conv_layers.2")
    model = replace(
        potplants.MODELS["embedded"], name="steering", classes=("position",), layers=layers, size=64, answers="number"
    )
    network = Steering().eval()
    monkeypatch.setitem(potplants.MODELS, "steering", model)
    monkeypatch.setattr(potplants, "load", lambda name, progress=None: network)
    return ExplanationService()


def test_a_number_goes_from_a_value_to_another(steering):
    before = steering.explain_file(STORY.file, "steering", "Grad-CAM")
    drawn = np.zeros((64, 64), bool)
    drawn[:, :32] = True
    found = intervene(steering, before, Change(region="brush", edit="repaint", colour="#ff0000"), STORY, drawn)
    report = found.report()
    assert found.question.target == "further right"
    assert report["after"]["classes"][0]["logit"] > report["before"]["classes"][0]["logit"]  # redder on the left
    assert report["change"][0] == {
        "name": "position",
        "logit": pytest.approx(found.after.logits[0] - before.logits[0]),
        "probability": None,
    }
    html = what_if_markup.result(
        found, compare(found, View()), in_every_colour(steering.device, before, drawn)[0], View()
    )
    assert (
        f"position {before.logits[0]:+.3f}" in html
        and f"position {found.after.logits[0]:+.3f}" in html
        and "still" not in html
    )
    with pytest.raises(ValueError, match="64 × 64"):  # a mask fits no scaled photo
        intervene(steering, before, RED_POT, STORY)


def test_the_words_say_what_was_done(service, story, red_pot):
    assert what_if_markup.edited(red_pot) == "the pot repainted red"
    hot = intervene(service, story, Change(percent=10, edit="blur"), STORY)
    assert what_if_markup.edited(hot) == "the hottest 10 % for Baya at conv3 blurred"
    assert what_if_markup.answer(story.model, [0.0, 0.0, np.log(2), -np.inf]) == "Greg, 50.0 %"


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (0, 0, "neither"),
        (2, 0, "falls to zero"),
        (0, 2, "rises from zero"),
        (2, 1, "falls to 0.5 times"),
        (1, 3, "rises to 3 times"),
        (1, 1.04, "about the same"),
    ],
)
def test_peaks_in_words(red_pot, before, after, word):
    class Measured(Intervention):
        peaks = (before, after)

    assert word in what_if_markup.peak_words(Measured(red_pot.question, red_pot.where, red_pot.before, red_pot.after))


def test_the_result_has_words_for_every_picture_and_a_caution(red_pot, service, story):
    paints, _ = in_every_colour(service.device, story, red_pot.where)
    html = what_if_markup.result(red_pot, compare(red_pot, View()), paints, View())
    assert html.count("<img alt=") + html.count('<img class="after" alt=') == 2 + 2 + 5
    assert 'alt=""' not in html
    assert "unlike any" in html and "http" not in html
    assert html.count('scope="row"') == len(potplants.CLASSES)
    assert f"{red_pot.after.logits[0] - red_pot.before.logits[0]:+.2f}" in html


def test_the_pad_names_its_photo(story, red_pot):
    assert what_if_markup.name_of(story.photo) in what_if_markup.pad(story)
    assert what_if_markup.name_of(story.photo) != what_if_markup.name_of(red_pot.after.photo)
