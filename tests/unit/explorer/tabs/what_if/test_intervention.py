"""Interventions: the pot's colour changes the prediction; regions, edits, heatmaps and report agree."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from squares import as_image
from tolerances import same_logits

import potplants
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import part, read_mask
from explorer.settings import View
from explorer.tabs.what_if.change import EDITS, REGIONS, Change
from explorer.tabs.what_if.intervention import compare, compare_both, intervene, repaint_in_every_colour
from explorer.tabs.what_if.regions import region_of
from explorer.tabs.what_if.view import more, peak_words, result
from gradcam import colour_table

EXAMPLES = examples.embedded()
STORY = EXAMPLES.story
RED_POT = Change(region="pot", edit="repaint", colour="red")


def test_with_red_pots_the_test_rudos_are_predicted_as_rudo(service):
    """All have Baya's blue pot. Painted red, nearly all are Rudo; painted blue again, they stay as predicted."""
    rudos = [example for key, example in EXAMPLES.every.items() if example.split == "test" and example.really == "rudo"]
    photos = [service.prepare(example.file, "embedded")[0].canvas for example in rudos]
    pots = [part(read_mask(example.mask), "pot") for example in rudos]

    def predicted(photos):
        with torch.inference_mode():
            logits = service.network("embedded")(torch.cat([as_image(photo) for photo in photos]))
        return np.array(potplants.CLASSES)[logits.argmax(1)]

    red, blue = ([EDITS["repaint"](*photo, colour) for photo in zip(photos, pots)] for colour in ("red", "blue"))
    unchanged = predicted(photos)
    assert len(rudos) == 30 and (unchanged == "baya").sum() >= 25
    assert (predicted(red) == "rudo").sum() >= 25
    assert (predicted(blue) == unchanged).sum() >= 25


def test_a_red_pot_changes_the_prediction_from_baya_to_rudo(red_pot):
    assert (red_pot.before.predicted, red_pot.after.predicted) == ("baya", "rudo")
    assert red_pot.change.target == "baya"  # the prediction before the change
    pot = part(read_mask(STORY.mask), "pot")
    assert (red_pot.region == pot).all() and red_pot.region_share == pytest.approx(np.count_nonzero(pot) / 256**2)
    differs = (red_pot.before.photo.astype(int) != red_pot.after.photo).any(-1)
    assert red_pot.changed_share == pytest.approx(differs.mean()) and differs[pot].mean() > 0.98


def test_where_the_method_has_no_map_nothing_is_changed(service, monkeypatch):
    """CAM at an earlier layer: refused before the changed photo is explained."""
    before = service.explain_file(STORY.file, "embedded_gap", "CAM")
    assert intervene(service, before, RED_POT, STORY).change.layer == "conv3"
    monkeypatch.setattr(service, "explain_frame", None)
    with pytest.raises(ValueError, match="CAM has no map at conv1; choose conv3"):
        intervene(service, before, replace(RED_POT, layer="conv1"), STORY)


def test_logits_after_are_those_of_the_network(service, red_pot):
    photo = torch.from_numpy(red_pot.after.photo).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        logits = service.network("embedded")(photo)[0]
    same_logits(red_pot.after.logits, logits)


def test_the_report_is_json_and_adds_up(red_pot):
    report = json.loads(json.dumps(red_pot.report()))
    assert report["region"] == {"kind": "pot", "percent": pytest.approx(100 * red_pot.region.mean())}
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


def test_an_unused_colour_is_not_reported(service, before):
    assert intervene(service, before, replace(RED_POT, edit="blur"), STORY).report()["colour"] is None


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_changes_every_region_and_nothing_else(service, edit):
    example = EXAMPLES.every["test/2_000"]  # its soil can be seen
    before = service.explain_file(example.file, "embedded", "Grad-CAM")
    drawn = np.zeros((256, 256), bool)
    drawn[100:140, 60:120] = True
    for name in REGIONS:
        intervention = intervene(service, before, Change(name, 5, edit=edit, points="128,200"), example, drawn)
        assert intervention.changed_share > 0 and intervention.region.any(), name
        near = cv2.dilate(intervention.region.astype(np.uint8), np.ones((13, 13))) > 0  # with the soft edge
        assert (intervention.after.photo == intervention.before.photo)[~near].all(), name


def test_both_heatmaps_share_one_scale(service, before):
    """Compared with the colour table, at index heat · 255 / the stronger peak of the two."""
    intervention = intervene(service, before, replace(RED_POT, target="rudo", layer="conv2"), STORY)
    cells = compare(intervention, View(base="none", colormap="viridis"))
    heats = [explained.evidence[0, 1].numpy() for explained in (intervention.before, intervention.after)]
    top = max(heat.max() for heat in heats)
    assert [cell.peak for cell in cells] == pytest.approx([heat.max() for heat in heats])
    assert 0 < min(cell.peak for cell in cells) < 0.9 * top  # one of them must look weaker
    for cell, heat in zip(cells, heats):
        expected = colour_table("viridis")[(heat * (255 / top)).astype(np.uint8)].astype(int)
        assert abs(cell.picture - expected).max() <= 4  # an index may round the other way


def test_an_emptied_heatmap_is_plain_and_captioned_as_empty(red_pot):
    before, after = compare(red_pot, View(base="photo"))
    assert not before.empty and after.empty == (red_pot.peaks[1] <= 0)
    assert after.empty and (after.picture == red_pot.after.photo).all() and "no positive evidence" in after.caption
    assert "falls to zero" in peak_words("baya", *red_pot.peaks)


def test_the_hottest_region_has_the_hottest_pixels(before):
    region = region_of(before, Change(percent=5, target="baya", layer="conv2"), None, None)
    heat = before.evidence[1, 1].numpy()
    assert region.sum() == round(0.05 * 256**2) and heat[region].min() >= heat[~region].max()


def test_repainting_in_every_colour_starts_with_the_unchanged_photo(service, before, red_pot):
    repainted, _ = repaint_in_every_colour(service.device, before, red_pot.region)
    assert [photo.colour for photo in repainted] == [None, *POT_COLOURS]
    assert (repainted[0].photo == before.photo).all() and (repainted[1].photo == red_pot.after.photo).all()
    same_logits(repainted[0].logits, before.logits)
    same_logits(repainted[1].logits, red_pot.after.logits)


@pytest.mark.parametrize(
    ("invalid", "word"),
    [
        ({"region": "shelf"}, "soil"),
        ({"edit": "erase"}, "blur"),
        ({"colour": "mauve"}, "terracotta"),
        ({"target": "fern"}, "yuki"),
        ({"layer": "conv9"}, "conv3"),
        ({"region": "hottest", "percent": 0}, "above 0"),
        ({"region": "brush"}, "draw"),
        ({"region": "click"}, "points"),
        ({"region": "click", "points": "300,3"}, "outside"),
        ({"region": "click", "points": "3,3 -3,3"}, "select nothing"),
        ({"region": "click", "points": "3,3", "tolerance": 99}, "from 4 to 60"),
        ({"region": "soil"}, "cannot be seen"),  # Rudo's rosette hides it
    ],
)
def test_an_invalid_change_raises_a_sentence(service, before, invalid, word):
    with pytest.raises(ValueError, match=word) as error:
        intervene(service, before, replace(RED_POT, **invalid), STORY)
    assert str(error.value).endswith(".")


def test_without_a_mask_the_error_offers_other_regions(service, before):
    for unmarked in (None, replace(STORY, file=STORY.file.with_name("elsewhere.jpg"))):
        with pytest.raises(ValueError, match="pot.*hottest.*brush"):
            intervene(service, before, RED_POT, unmarked)


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


def test_an_intervention_on_a_regression_model(steering):
    before = steering.explain_file(STORY.file, "steering", "Grad-CAM")
    drawn = np.zeros((64, 64), bool)
    drawn[:, :32] = True
    change = Change(region="brush", edit="repaint", colour="#ff0000")
    intervention = intervene(steering, before, change, STORY, drawn)
    report = intervention.report()
    assert intervention.change.target == "further right"
    assert report["after"]["classes"][0]["logit"] > report["before"]["classes"][0]["logit"]  # redder on the left
    assert report["change"][0] == {
        "name": "position",
        "logit": pytest.approx(intervention.after.logits[0] - before.logits[0]),
        "probability": None,
    }
    repainted, _ = repaint_in_every_colour(steering.device, before, drawn)
    html = result(intervention)
    html += more(intervention, compare_both(steering, intervention, View()), repainted, View())
    assert f"position {before.logits[0]:+.3f}" in html and "still" not in html
    assert f"position {intervention.after.logits[0]:+.3f}" in html
    pot = intervene(steering, before, RED_POT, STORY).region_share  # the mask, of 256 × 256, over 64 × 64
    assert pot == pytest.approx(part(read_mask(STORY.mask), "pot").mean(), rel=0.05)
