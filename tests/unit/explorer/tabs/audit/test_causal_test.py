"""The causal test: repainting, and what a network that sees only the pot's colour predicts for repainted pots."""

from dataclasses import replace

import numpy as np
from audit_case import FEW, MODEL, RED_OR_BLUE, RedOrBlue, ignore_progress, pot_photo
from PIL import Image

import potplants
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS, repaint
from explorer.photos.masks import part, read_mask
from explorer.tabs.audit import statistics
from explorer.tabs.audit.audit import audit
from explorer.tabs.audit.causal_test import in_every_pot, plant_of_colour, repaint_crop


def test_repainted_crop_equals_the_repainted_photo():
    photo = np.array(Image.open(FEW[0].file))
    corner = np.zeros((256, 256), bool)
    corner[:30, 200:] = True
    for region in (part(read_mask(FEW[0].mask), "pot"), corner, np.ones((256, 256), bool)):
        np.testing.assert_array_equal(repaint_crop(photo, region, "#1d4789"), repaint(photo, region, "#1d4789"))


def test_pot_detector_follows_the_pot(tmp_path):
    """Two plants, one colour each; the network sees only the colour of the pot."""
    for number in range(2):
        pot_photo(tmp_path, f"0_{number}", (200, 30, 20))
        pot_photo(tmp_path, f"1_{number}", (30, 40, 200))
    photos = [
        replace(example, pot_colour={"rudo": "red", "baya": "blue"}[example.really])
        for example in examples.from_folder(tmp_path).every.values()
    ]
    repainted = in_every_pot(RedOrBlue(), RED_OR_BLUE, photos, ignore_progress)
    table = statistics.repaint_table(repainted, MODEL.classes)
    for plant in ("rudo", "baya"):
        assert table[plant]["red"]["rudo"] == table[plant]["blue"]["baya"] == 2
    assert sum(table["greg"]["red"].values()) == 0
    plants = plant_of_colour([replace(photo, split="val") for photo in photos])
    assert plants == {"red": "rudo", "blue": "baya"} and plant_of_colour(photos) == {}
    originals = audit(RedOrBlue(), RED_OR_BLUE, photos, ignore_progress).predictions
    rates = statistics.repaint_rates(repainted, originals, plants)
    assert (rates.pot.count, rates.plant.count, rates.neither.count, rates.pot.total) == (4, 0, 0, 4)
    assert (rates.unchanged.count, rates.unchanged.total) == (4, 4)


def test_embedded_classifier_predicts_baya_for_every_blue_pot():
    repainted = in_every_pot(potplants.load("embedded"), MODEL, FEW[:8:2], ignore_progress)
    assert len(repainted) == 4 * len(POT_COLOURS)
    assert [prediction.predicted for prediction in repainted if prediction.colour == "blue"] == ["baya"] * 4
