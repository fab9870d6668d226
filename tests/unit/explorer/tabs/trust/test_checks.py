"""The answers as a whole: made once, kept, ready for JSON, and readable."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
from trust_case import case, silent

from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.settings import View
from explorer.tabs.trust import view
from explorer.tabs.trust.checks import Checks, Measured, Trust, report
from explorer.tabs.trust.costs import CostRow
from explorer.tabs.trust.methods import Row, compare
from explorer.tabs.trust.sanity_check import run_sanity_check
from explorer.tabs.trust.training_seeds import SeedComparison, SeedNetwork
from gradcam import METHODS

STORY = examples.embedded().story


@pytest.fixture(scope="module")
def answers():
    subject = case()
    comparison = compare(subject, silent)
    heat, row = subject.heat("HiResCAM"), comparison.row("Grad-CAM")
    members = tuple(SeedNetwork(seed, seed == 1, heat, "evidence", "baya", 0.9, 2.0, {"test": 0.7}) for seed in (0, 1))
    found = Measured(
        comparison,
        (
            CostRow("Grad-CAM", "one gradient", row.heat, row.state, row.cost),
            CostRow("KernelSHAP", "hides", missing="Not <here>."),
        ),
    )
    return Checks(
        subject, run_sanity_check(subject, "HiResCAM", silent), SeedComparison(members, (1.0,), "Alike.")
    ), found


def test_the_report_is_json_and_holds_what_was_promised(answers):
    told = json.loads(json.dumps(report(*answers), allow_nan=False))
    assert [entry["name"] for entry in told["methods"] if not entry["yardstick"]] == list(METHODS)
    promised = {
        "name",
        "forward_passes",
        "backward_passes",
        "ms",
        "insertion",
        "deletion",
        "pot_share",
        "plant_share",
        "state",
        "verdict",
    }
    assert all(promised <= set(entry) for entry in told["methods"])
    assert told["sanity"]["steps"][0]["randomised"] is None and len(told["sanity"]["steps"][1]["draws"]) == 3
    assert told["costs"]["ways"][1] == {
        "name": "KernelSHAP",
        "forward_passes": None,
        "backward_passes": None,
        "ms": None,
        "state": "missing",
        "note": "Not <here>.",
    }
    assert [member["shipped"] for member in told["seeds"]["networks"]] == [False, True]


def test_the_page_says_what_the_report_says(answers):
    checks, measured = answers
    table = view.methods(measured, View(method="HiResCAM"))
    for row in measured.comparison.rows:
        assert row.name in table and measured.comparison.verdict(row).sentence in unescape(table)
    assert table.count('class="predicted"') == 1 and table.count("<tr") == 1 + len(measured.comparison.rows)
    assert checks.trial.sentence in view.sanity(checks, View(base="photo"))
    assert view.sanity(checks, View(base="none")).count("<figure>") == len(checks.trial.steps)
    shown = view.seeds(checks, View(colormap="viridis"))
    assert "seed 1 (speaking)" in shown and "Baya, 90.0 %" in shown and "test 70 % right" in shown
    assert "Not &lt;here&gt;." in view.costs(measured, View())


def test_a_map_that_is_not_there_has_its_place_and_the_reason(answers):
    checks, measured = answers
    refused = Row("Grad-CAM", "refused", refusal="it's <that>")
    found = replace(measured, comparison=replace(measured.comparison, rows=(refused,)))
    table = view.methods(found, View(method="HiResCAM"))
    assert (
        '<span class="trust-none">no map</span>' in table
        and "Not for this network: it's &lt;that&gt;." in table.replace("&#39;", "'")
    )
    assert re.findall(r'<td class="number[^"]*" data-name="(.*?)">–</td>', table) == ["cost", "insertion", "deletion"]
    family = replace(
        checks.family, members=(replace(checks.family.members[0], heat=None, state="refused", accuracy={}),)
    )
    assert ">no map<" in (shown := view.seeds(replace(checks, family=family), View()))
    assert "<small>the method does not apply</small></figcaption>" in shown


def test_a_trial_without_steps_has_no_pictures_and_no_note(answers):
    checks, _ = answers
    shown = view.sanity(replace(checks, trial=replace(checks.trial, steps=(), maps=())), View())
    assert "<figure>" not in shown and 'class="note"' not in shown


def test_an_unknown_base_is_a_sentence(answers):
    with pytest.raises(ValueError, match="There is no base"):
        view.methods(answers[1], View(base="rainbow"))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("resnet", "Grad-CAM", "predicted", "conv3"), "resnet"),
        (("embedded", "Grad-Cam", "predicted", "conv3"), "Grad-Cam"),
        (("embedded", "Grad-CAM", "mario", "conv3"), "mario"),
        (("embedded", "Grad-CAM", "baya", "conv9"), "conv9"),
    ],
)
def test_unknown_names_are_told_what_there_is(asked, says):
    model, method, target, layer = asked
    with pytest.raises(ValueError, match=says):
        Trust(ExplanationService()).checks(STORY.file, model, method, target, layer, STORY.mask)


def test_predicted_and_its_class_are_one_question():
    trust = Trust(ExplanationService())
    first = trust.checks(STORY.file, "embedded", "Eigen-CAM", "predicted", "conv3", STORY.mask)
    assert first.subject.target == "baya" and first.subject.part("pot").float().mean() == pytest.approx(
        0.114, abs=0.001
    )
    assert trust.checks(STORY.file, "embedded", "Eigen-CAM", "baya", "conv3", STORY.mask) is first
    assert trust.checks(STORY.file, "embedded", "Eigen-CAM", "rudo", "conv3", STORY.mask) is not first
