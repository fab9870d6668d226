"""The audit of one classifier, against the explanations of single photos, plain loops and gradcam's own measures."""

import numpy as np
import pytest
import torch
from audit_case import EXAMPLES, FEW, MODEL, RED_OR_BLUE, RedOrBlue, ignore_progress, pot_photo
from PIL import Image
from tolerances import HEATMAP_TOLERANCE, same_heat, same_logits
from torch import nn

import classifiers
import potplants
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.photos.masks import PARTS, part, read_mask
from explorer.tabs.audit import statistics
from explorer.tabs.audit.audit import SHOWN, audit, random_sample
from explorer.tabs.audit.photo_reader import AT_ONCE
from gradcam import Cancelled, faithfulness


@pytest.fixture(scope="module")
def few_audit():
    return audit(potplants.load("embedded"), MODEL, FEW, ignore_progress)


@pytest.fixture(scope="module")
def explanations():
    """Key → logits and heatmap, one photo at a time, as the page explains it."""
    service = ExplanationService()
    return {example.key: service.explain_file(example.file, "embedded", "Grad-CAM") for example in FEW}


def test_prediction_equals_the_explain_tabs(few_audit, explanations):
    for prediction in few_audit.predictions:
        explained = explanations[prediction.example.key]
        assert prediction.predicted == explained.predicted
        same_logits(prediction.logits, explained.logits)
        probability = float(torch.tensor(prediction.logits).double().softmax(0).max())
        assert prediction.probability == pytest.approx(probability, rel=1e-6)
        assert prediction.peak == pytest.approx(
            float(explained.heat("predicted", "conv3").max()), rel=HEATMAP_TOLERANCE
        )


def test_shares_and_pointing_game_equal_gradcams(few_audit, explanations):
    for prediction in few_audit.predictions:
        key = prediction.example.key
        heat, parts = explanations[key].heat("predicted", "conv3"), read_mask(prediction.example.mask)
        for name in PARTS:
            mask = torch.from_numpy(part(parts, name))
            assert prediction.area[name] == pytest.approx(mask.double().mean().item())
            share = faithfulness.heat_share(heat, mask) if mask.any() else 0
            assert prediction.heat[name] == pytest.approx(share, rel=HEATMAP_TOLERANCE, abs=1e-6)
            hit = bool(mask.any()) and faithfulness.pointing_game(heat, mask)
            assert (name in prediction.hottest) == hit


def test_mean_heatmap_is_the_mean_of_raw_maps(few_audit, explanations):
    for name in MODEL.classes:
        keys = [example.key for example in FEW if example.really == name]
        maps = [explanations[key].heat("predicted", "conv3").numpy() for key in keys]
        same_heat(few_audit.means[name].heat, np.mean(maps, 0))
        assert few_audit.means[name].photos == len(maps)


def test_shown_photos_follow_their_rules():
    """With more wrong answers of a class than are shown."""
    rudos = [example for example in EXAMPLES.splits["test"] if example.really == "rudo"][: SHOWN + 5]
    result = audit(potplants.load("embedded"), MODEL, rudos, ignore_progress)
    wrong = [(-p.probability, p.example.key) for p in result.predictions if p.predicted != "rudo"]
    assert len(wrong) > SHOWN
    assert [p.example.key for p in result.worst["rudo"]] == [key for _, key in sorted(wrong)[:SHOWN]]
    assert result.worst["baya"] == result.random["baya"] == ()
    random = [p.example.key for p in result.random["rudo"]]
    assert random == random_sample(rudos, "rudo") == random_sample(rudos[::-1], "rudo")
    selected = [*result.worst["rudo"], *result.random["rudo"]]
    assert set(result.shown) == {prediction.example.key for prediction in selected}
    for key, explained in result.shown.items():
        np.testing.assert_array_equal(explained.frame.canvas, np.array(Image.open(EXAMPLES.every[key].file)))


def test_empty_maps_are_counted_and_have_no_shares():
    """A head of zeros: all classes have the same logit for every photo, so there is no evidence for any."""
    network = potplants.CNNWithGAP()
    nn.init.zeros_(network.fc[1].weight)
    model = classifiers.find("embedded_gap")
    result = audit(network.eval(), model, FEW, ignore_progress)
    heat = statistics.heat_shares(result.predictions)
    assert heat.empty == heat.photos == len(FEW)
    assert heat.measured == 0 and heat.heat == {} and heat.ratio("pot") is None
    for prediction in result.predictions:
        assert prediction.empty and prediction.heat is None and prediction.hottest == () and prediction.area
    assert sum(mean.empty for mean in result.means.values()) == len(FEW)


def test_audit_stops_between_batches():
    reported = []

    def stop(part):
        reported.append(part)
        return False

    with pytest.raises(Cancelled):
        audit(potplants.load("embedded"), MODEL, FEW, stop)
    assert reported == [AT_ONCE / len(FEW)] and len(FEW) > AT_ONCE


def test_unreadable_photos_and_masks_are_reported_and_the_rest_is_audited(tmp_path):
    pot_photo(tmp_path, "0_good", (200, 30, 20))
    pot_photo(tmp_path, "1_plain", (30, 30, 200), mask=False)
    pot_photo(tmp_path, "1_cut", (30, 30, 200)).write_bytes(b"\xff\xd8\xff and no more")
    pot_photo(tmp_path, "2_odd", (30, 30, 200)).with_suffix(".png").write_bytes(b"no mask")
    Image.new("RGB", (256, 128)).save(pot_photo(tmp_path, "3_wide", (0, 0, 0)))
    photos = tuple(examples.from_folder(tmp_path).every.values())
    result = audit(RedOrBlue(), RED_OR_BLUE, photos, ignore_progress)
    assert {prediction.example.key: prediction.predicted for prediction in result.predictions} == {
        "test/0_good": "rudo", "test/1_plain": "baya", "test/2_odd": "baya", "test/3_wide": "rudo",
    }  # fmt: skip
    assert [fault.key for fault in result.unreadable] == ["test/1_cut"]
    assert [fault.key for fault in result.unusable_masks] == ["test/2_odd", "test/3_wide"]
    heat = statistics.heat_shares(result.predictions)
    assert (heat.photos, heat.unmasked, heat.measured) == (4, 3, 1)


def test_folder_without_a_readable_photo_is_refused_with_a_sentence(tmp_path):
    pot_photo(tmp_path, "1_cut", (0, 0, 0)).write_bytes(b"")
    with pytest.raises(ValueError, match="None of the 1 example photos can be read, 1_cut.jpg among them"):
        audit(RedOrBlue(), RED_OR_BLUE, tuple(examples.from_folder(tmp_path).every.values()), ignore_progress)
