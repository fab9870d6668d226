"""The audit against plain loops, hand-made photos whose truth is known, and the measures that gradcam has for one map."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest
from tolerances import HEATMAP_TOLERANCE, same_heat, same_logits
from torch import nn

import potplants
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.photos.edits import POT_COLOURS, repaint
from explorer.photos.masks import PARTS, part, read_mask
from explorer.tabs.audit import statistics as figures
from explorer.tabs.audit import store
from explorer.tabs.audit.audit import SHOWN, audit, drawn
from explorer.tabs.audit.causal_test import Repainted, in_every_pot, owners, repaint_near
from explorer.tabs.audit.photo_reader import AT_ONCE
from gradcam import Cancelled, faithfulness

MODEL = potplants.MODELS["embedded"]
EXAMPLES = examples.embedded()
FEW = tuple(
    EXAMPLES.every[f"{split}/{label}_{number:03}"]
    for split in ("val", "test")
    for label in range(4)
    for number in range(2)
)


def on(part):
    return True


@pytest.fixture(scope="module")
def found():
    return audit(potplants.load("embedded"), MODEL, FEW, on)


@pytest.fixture(scope="module")
def explanations():
    """Key → logits and heatmap, one photo at a time, as the page explains it."""
    service = ExplanationService()
    return {example.key: service.explain_file(example.file, "embedded", "Grad-CAM") for example in FEW}


# What is said and where it looks


def test_an_answer_is_what_explain_says(found, explanations):
    for answer in found.answers:
        explained = explanations[answer.example.key]
        assert answer.said == explained.predicted
        same_logits(answer.logits, explained.logits)
        assert answer.probability == pytest.approx(
            float(torch.tensor(answer.logits).double().softmax(0).max()), rel=1e-6
        )
        assert answer.peak == pytest.approx(float(explained.heat("predicted", "conv3").max()), rel=HEATMAP_TOLERANCE)


def test_shares_and_pointing_are_gradcams_own(found, explanations):
    for answer in found.answers:
        heat, parts = explanations[answer.example.key].heat("predicted", "conv3"), read_mask(answer.example.mask)
        for name in PARTS:
            mask = torch.from_numpy(part(parts, name))
            assert answer.area[name] == pytest.approx(mask.double().mean().item())
            assert answer.heat[name] == pytest.approx(
                faithfulness.heat_share(heat, mask) if mask.any() else 0, rel=HEATMAP_TOLERANCE, abs=1e-6
            )
            assert (name in answer.hottest) == (bool(mask.any()) and faithfulness.pointing_game(heat, mask))


def test_a_mean_is_the_mean_of_raw_maps(found, explanations):
    for name in MODEL.classes:
        maps = [
            explanations[example.key].heat("predicted", "conv3").numpy() for example in FEW if example.really == name
        ]
        same_heat(found.means[name].heat, np.mean(maps, 0))
        assert found.means[name].photos == len(maps)


def test_the_photos_shown_follow_their_rules():
    """With more wrong answers of a class than are shown."""
    rudos = [example for example in EXAMPLES.splits["test"] if example.really == "rudo"][: SHOWN + 5]
    found = audit(potplants.load("embedded"), MODEL, rudos, on)
    wrong = [(-answer.probability, answer.example.key) for answer in found.answers if answer.said != "rudo"]
    assert len(wrong) > SHOWN
    assert [answer.example.key for answer in found.worst["rudo"]] == [key for _, key in sorted(wrong)[:SHOWN]]
    assert found.worst["baya"] == found.random["baya"] == ()
    assert [answer.example.key for answer in found.random["rudo"]] == drawn(rudos, "rudo") == drawn(rudos[::-1], "rudo")
    assert set(found.sights) == {
        answer.example.key for shown in (found.worst, found.random) for answer in shown["rudo"]
    }
    for key, sight in found.sights.items():
        np.testing.assert_array_equal(sight.photo, np.array(Image.open(EXAMPLES.every[key].file)))


def test_empty_maps_are_counted_and_have_no_shares():
    """A head of zeros: every class scores alike whatever the photo shows, so nothing speaks for any."""
    network = potplants.CNNWithGAP()
    nn.init.zeros_(network.fc[1].weight)
    model = replace(MODEL, layers=("conv_layers.0", "conv_layers.2", "conv_layers.4"))
    found = audit(network.eval(), model, FEW, on)
    heat = figures.heat(found.answers)
    assert (
        heat.empty == heat.photos == len(FEW) and heat.measured == 0 and heat.heat == {} and heat.ratio("pot") is None
    )
    assert all(
        answer.empty and answer.heat is None and answer.hottest == () and answer.area for answer in found.answers
    )
    assert sum(mean.empty for mean in found.means.values()) == len(FEW)


def test_it_stops_between_batches():
    told = []

    def stop(part):
        told.append(part)
        return False

    with pytest.raises(Cancelled):
        audit(potplants.load("embedded"), MODEL, FEW, stop)
    assert told == [AT_ONCE / len(FEW)] and len(FEW) > AT_ONCE


# Photos of a visitor's own


class RedOrBlue(nn.Module):
    """Says rudo where the middle of the photo is more red than blue, else baya."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.conv.weight = nn.Parameter(torch.tensor([[1.0, 0, -1], [-1, 0, 1]])[..., None, None])

    def forward(self, images):
        said = self.conv(images)[..., 128, 128]
        return torch.cat([said, torch.full_like(said, -9)], 1)


LAYER = replace(MODEL, layers=("conv",) * 3)


def pot_photo(folder, name, colour, mask=True):
    """A grey photo with a pot in the middle; the plant above it is green."""
    (folder / "test").mkdir(exist_ok=True)
    pixels, parts = np.full((256, 256, 3), 150, np.uint8), np.zeros((256, 256), np.uint8)
    parts[100:180, 90:170], parts[60:100, 110:150] = PARTS.index("pot"), PARTS.index("plant")
    pixels[parts == 1], pixels[parts == 2] = colour, (20, 120, 30)
    file = folder / "test" / f"{name}.jpg"
    Image.fromarray(pixels).save(file, quality=95)
    if mask:
        picture = Image.fromarray(parts)
        picture.putpalette([0] * 12)
        picture.save(file.with_suffix(".png"))
    return file


def test_a_bad_photo_or_mask_is_named_and_the_rest_goes_on(tmp_path):
    pot_photo(tmp_path, "0_good", (200, 30, 20))
    pot_photo(tmp_path, "1_plain", (30, 30, 200), mask=False)
    pot_photo(tmp_path, "1_cut", (30, 30, 200)).write_bytes(b"\xff\xd8\xff and no more")
    pot_photo(tmp_path, "2_odd", (30, 30, 200)).with_suffix(".png").write_bytes(b"no mask")
    Image.new("RGB", (256, 128)).save(pot_photo(tmp_path, "3_wide", (0, 0, 0)))
    found = audit(RedOrBlue(), LAYER, tuple(examples.from_folder(tmp_path).every.values()), on)
    assert {answer.example.key: answer.said for answer in found.answers} == {
        "test/0_good": "rudo", "test/1_plain": "baya", "test/2_odd": "baya", "test/3_wide": "rudo",
    }  # fmt: skip
    assert [fault.key for fault in found.unread] == ["test/1_cut"]
    assert [fault.key for fault in found.misfits] == ["test/2_odd", "test/3_wide"]
    heat = figures.heat(found.answers)
    assert (heat.photos, heat.unmasked, heat.measured) == (4, 3, 1)


def test_no_readable_photo_is_a_sentence(tmp_path):
    pot_photo(tmp_path, "1_cut", (0, 0, 0)).write_bytes(b"")
    with pytest.raises(ValueError, match="None of the 1 example photos can be read, 1_cut.jpg among them"):
        audit(RedOrBlue(), LAYER, tuple(examples.from_folder(tmp_path).every.values()), on)


# Every plant in every pot


def test_a_pot_repainted_nearby_is_the_pot_repainted():
    photo = np.array(Image.open(FEW[0].file))
    corner = np.zeros((256, 256), bool)
    corner[:30, 200:] = True
    for region in (part(read_mask(FEW[0].mask), "pot"), corner, np.ones((256, 256), bool)):
        np.testing.assert_array_equal(repaint_near(photo, region, "#1d4789"), repaint(photo, region, "#1d4789"))


def test_a_pot_detector_is_found_out(tmp_path):
    """Two plants, one colour each; the network knows nothing but the colour of the pot."""
    for number in range(2):
        pot_photo(tmp_path, f"0_{number}", (200, 30, 20))
        pot_photo(tmp_path, f"1_{number}", (30, 40, 200))
    photos = [
        replace(example, pot_colour={"rudo": "red", "baya": "blue"}[example.really])
        for example in examples.from_folder(tmp_path).every.values()
    ]
    repainted = in_every_pot(RedOrBlue(), LAYER, photos, on)
    table = figures.pots(repainted, MODEL.classes)
    for really in ("rudo", "baya"):
        assert table[really]["red"]["rudo"] == table[really]["blue"]["baya"] == 2
    assert sum(table["greg"]["red"].values()) == 0
    owned = owners([replace(photo, split="val") for photo in photos])
    assert owned == {"red": "rudo", "blue": "baya"} and owners(photos) == {}
    told = figures.followed(repainted, audit(RedOrBlue(), LAYER, photos, on).answers, owned)
    assert (told.pot.count, told.plant.count, told.neither.count, told.pot.of) == (4, 0, 0, 4)
    assert (told.unchanged.count, told.unchanged.of) == (4, 4)


def test_whom_the_answers_follow_by_hand():
    def said(really, colour, answer):
        return Repainted(SimpleNamespace(key=really, really=really, pot_colour=None), colour, answer)

    repainted = [
        said("rudo", "blue", "baya"),
        said("rudo", "red", "rudo"),
        said("baya", "red", "baya"),
        said("greg", "blue", "yuki"),
        said("greg", "cream", "greg"),
    ]
    told = figures.followed(repainted, [], {"red": "rudo", "blue": "baya"})
    assert (told.pot.count, told.plant.count, told.neither.count, told.pot.of) == (1, 1, 1, 3)
    assert figures.followed(repainted, [], {}) is None


def test_the_embedded_classifier_calls_every_blue_pot_baya(found):
    repainted = in_every_pot(potplants.load("embedded"), MODEL, FEW[:8:2], on)
    assert len(repainted) == 4 * len(POT_COLOURS)
    assert [answer.said for answer in repainted if answer.colour == "blue"] == ["baya"] * 4


# Figures


@pytest.mark.parametrize(("count", "of"), [(0, 5), (5, 5), (114, 120), (81, 120), (1, 1), (3, 10)])
def test_wilson_is_scipys(count, of):
    expected = binomtest(count, of).proportion_ci(0.95, "wilson")
    assert figures.Rate(count, of).interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_confusion_and_accuracy_by_a_plain_loop(found):
    counts = figures.confusion(found.answers, MODEL.classes)
    for row, really in enumerate(MODEL.classes):
        for column, said in enumerate(MODEL.classes):
            assert counts[row][column] == sum(a.example.really == really and a.said == said for a in found.answers)
    assert figures.accuracy(found.answers).count == sum(counts[i][i] for i in range(4))
    assert (
        len(figures.of_split(found.answers, "val")) == 8 and len(figures.of_split(found.answers, "test", "rudo")) == 2
    )


def test_differences_count_every_photo_once(found):
    never = replace(
        found,
        model=replace(MODEL, name="never"),
        answers=tuple(replace(answer, said="nobody") for answer in found.answers),
    )
    right = sum(answer.right for answer in found.answers)
    assert figures.differences(found, never) == {"both": 0, "embedded": right, "never": 0, "neither": len(FEW) - right}


# What is kept


@pytest.fixture
def few_examples(tmp_path):
    for number in range(3):
        pot_photo(tmp_path, f"0_{number}", (200, 30, 20 + number))
    return examples.from_folder(tmp_path)


def asked_of(audits, asked, stop_at=2.0):
    """The result, and which work was announced."""
    tasks = []

    def told(part, task):
        tasks.append(task)
        return part < stop_at

    return audits.of(asked, told), tasks


def test_the_same_question_about_the_same_bytes_is_answered_from_memory(few_examples):
    kept, asked = store.StoredAudits(4), store.audit_request("embedded", repaint=False)
    audits = store.Audits(ExplanationService(), few_examples, kept)
    assert audits.known(asked) is None
    first, tasks = asked_of(audits, asked)
    assert any("3 photos" in task for task in tasks)
    again, tasks = asked_of(store.Audits(ExplanationService(), few_examples, kept), asked)  # another visitor
    assert tasks == ["fetching embedded"] and again.audits[0] is first.audits[0]
    assert audits.known(asked).photos == first.photos and audits.known(replace(asked, repaint=True)) is None
    pot_photo(few_examples.story.file.parent.parent, "0_0", (9, 9, 9))
    assert audits.known(asked) is None


def test_what_was_finished_before_a_stop_is_kept(few_examples):
    audits = store.Audits(ExplanationService(), few_examples, store.StoredAudits(4))
    asked = store.audit_request("embedded", repaint=True)
    with pytest.raises(Cancelled):
        asked_of(audits, asked, stop_at=0.9)
    assert audits.known(asked) is None
    assert audits.known(replace(asked, repaint=False)) is not None


def test_only_so_many_are_kept():
    kept = store.StoredAudits(2)
    for key in "ab":
        kept.put(key, key)
    kept.get("a")
    kept.put("c", "c")
    assert [kept.get(key) for key in "abc"] == ["a", None, "c"]


def test_questions_that_make_no_sense_are_sentences(few_examples):
    for wrong in ({"model": "car_single_room"}, {"model": "embedded", "compare": "car_single_room"}):
        with pytest.raises(ValueError, match="car_single_room answers with a number"):
            store.audit_request(**wrong)
    with pytest.raises(ValueError, match="no model 'resnet'"):
        store.audit_request("resnet")
    with pytest.raises(ValueError, match="no photos of the split 'val'; choose one of test, both"):
        store.Audits(ExplanationService(), few_examples).known(store.audit_request("embedded", split="val"))
    assert store.audit_request("embedded", "embedded").models == ("embedded",)


def test_the_weights_hash_is_the_files(found):
    shipped = json.loads(MODEL.weights.with_suffix(".json").read_text())["weights"]["sha256"]
    assert store._weights(store.audit_request("embedded")) == {"embedded": shipped}
