"""All checks together: cached, ready for JSON, and wrong names refused with a sentence."""

import json

import pytest

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.trust.checks import Trust, report
from gradcam import METHODS

STORY = examples.embedded().story


def test_report_is_json_with_the_documented_keys(checks, measured):
    content = json.loads(json.dumps(report(checks, measured), allow_nan=False))
    assert [row["name"] for row in content["methods"] if not row["yardstick"]] == list(METHODS)
    documented = {
        *("name", "forward_passes", "backward_passes", "ms", "insertion", "deletion"),
        *("pot_share", "plant_share", "state", "verdict"),
    }
    assert all(documented <= set(row) for row in content["methods"])
    assert content["sanity"]["steps"][0]["randomised"] is None and len(content["sanity"]["steps"][1]["draws"]) == 3
    assert content["costs"]["ways"][1] == {
        "name": "KernelSHAP",
        "forward_passes": None,
        "backward_passes": None,
        "ms": None,
        "state": "missing",
        "note": "Not <here>.",
    }
    assert [network["shipped"] for network in content["seeds"]["networks"]] == [False, True]


@pytest.mark.parametrize(
    ("names", "unknown"),
    [
        (("resnet", "Grad-CAM", "predicted", "conv3"), "resnet"),
        (("embedded", "Grad-Cam", "predicted", "conv3"), "Grad-Cam"),
        (("embedded", "Grad-CAM", "mario", "conv3"), "mario"),
        (("embedded", "Grad-CAM", "baya", "conv9"), "conv9"),
    ],
)
def test_unknown_name_is_refused_with_a_sentence(names, unknown):
    model, method, target, layer = names
    with pytest.raises(ValueError, match=unknown):
        Trust(ExplanationService()).checks(STORY.file, model, method, target, layer, STORY.mask)


def test_predicted_and_its_class_share_a_cache_entry():
    trust = Trust(ExplanationService())
    first = trust.checks(STORY.file, "embedded", "Eigen-CAM", "predicted", "conv3", STORY.mask)
    assert first.tested.target == "baya"
    assert first.tested.part("pot").float().mean() == pytest.approx(0.114, abs=0.001)
    assert trust.checks(STORY.file, "embedded", "Eigen-CAM", "baya", "conv3", STORY.mask) is first
    assert trust.checks(STORY.file, "embedded", "Eigen-CAM", "rudo", "conv3", STORY.mask) is not first
