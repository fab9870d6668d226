"""The audit's statistics, against scipy, plain loops and hand-made predictions."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from audit_case import FEW, MODEL, ignore_progress
from scipy.stats import binomtest

import potplants
from explorer.tabs.audit import statistics
from explorer.tabs.audit.audit import audit
from explorer.tabs.audit.causal_test import RepaintedPrediction


@pytest.fixture(scope="module")
def few_audit():
    return audit(potplants.load("embedded"), MODEL, FEW, ignore_progress)


def test_repaint_rates_count_other_plant_plant_and_neither():
    def repainted(plant, colour, predicted):
        return RepaintedPrediction(SimpleNamespace(key=plant, really=plant, pot_colour=None), colour, predicted)

    predictions = [
        repainted("rudo", "blue", "baya"),
        repainted("rudo", "red", "rudo"),
        repainted("baya", "red", "baya"),
        repainted("greg", "blue", "yuki"),
        repainted("greg", "cream", "greg"),
    ]
    rates = statistics.repaint_rates(predictions, [], {"red": "rudo", "blue": "baya"})
    assert (rates.pot.count, rates.plant.count, rates.neither.count, rates.pot.total) == (1, 1, 1, 3)
    assert statistics.repaint_rates(predictions, [], {}) is None


@pytest.mark.parametrize(("count", "total"), [(0, 5), (5, 5), (114, 120), (81, 120), (1, 1), (3, 10)])
def test_wilson_interval_equals_scipys(count, total):
    expected = binomtest(count, total).proportion_ci(0.95, "wilson")
    assert statistics.Rate(count, total).interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_confusion_and_accuracy_equal_a_plain_loop(few_audit):
    predictions = few_audit.predictions
    counts = statistics.confusion(predictions, MODEL.classes)
    for row, true_class in enumerate(MODEL.classes):
        for column, predicted in enumerate(MODEL.classes):
            expected = sum(p.example.really == true_class and p.predicted == predicted for p in predictions)
            assert counts[row][column] == expected
    assert statistics.accuracy(predictions).count == sum(counts[i][i] for i in range(4))
    assert len(statistics.select(predictions, "val")) == 8
    assert len(statistics.select(predictions, "test", "rudo")) == 2


def test_differences_count_every_photo_once(few_audit):
    never = replace(
        few_audit,
        model=replace(MODEL, name="never"),
        predictions=tuple(replace(prediction, predicted="nobody") for prediction in few_audit.predictions),
    )
    right = sum(prediction.correct for prediction in few_audit.predictions)
    expected = {"both": 0, "embedded": right, "never": 0, "neither": len(FEW) - right}
    assert statistics.differences(few_audit, never) == expected
