"""Siblings: their maps are compared in pairs, their answers side by side."""

from itertools import combinations

import pytest
import scipy.stats
from trust_case import case, network, silent

import potplants
from explorer.tabs.trust.training_seeds import SeedNetwork, compare_seeds, verdict


@pytest.fixture
def family(monkeypatch):
    networks = {3: network(3), 0: network(0), 1: network(1)}
    monkeypatch.setattr(potplants, "siblings", lambda name: networks)
    monkeypatch.setattr(
        potplants, "sibling_figures", lambda name: {seed: {"val": 0.9, "test": 0.6 + seed / 10} for seed in networks}
    )
    monkeypatch.setattr(potplants, "load", lambda name: networks[1])
    return networks


def test_every_sibling_is_asked_and_every_pair_compared(family):
    subject = case(net=family[1])
    found = compare_seeds(subject, "HiResCAM", silent)
    assert [member.seed for member in found.members] == [0, 1, 3] and [member.shipped for member in found.members] == [
        False,
        True,
        False,
    ]
    maps = [subject.heat("HiResCAM", family[seed]) for seed in (0, 1, 3)]
    pairs = [scipy.stats.spearmanr(one.flatten(), other.flatten()).statistic for one, other in combinations(maps, 2)]
    assert found.correlations == pytest.approx(pairs, abs=1e-6)
    for member in found.members:
        logits = family[member.seed](subject.image[None]).detach()[0]
        assert member.says == potplants.CLASSES[logits.argmax()]
        assert member.probability == pytest.approx(float(logits.softmax(0).max()), abs=1e-5)
    assert "right for 60 % to 90 %" in found.sentence and "mean rank correlation" in found.sentence


def test_the_same_network_twice_is_alike(family):
    family[3] = family[0] = family[1]
    found = compare_seeds(case(net=family[1]), "HiResCAM", silent)
    assert (
        found.correlations == pytest.approx((1, 1, 1))
        and "alike too" in found.sentence
        and "All 3 networks say" in found.sentence
    )


def test_a_model_that_came_alone_says_so(monkeypatch):
    monkeypatch.setattr(potplants, "siblings", lambda name: {})
    monkeypatch.setattr(potplants, "sibling_figures", lambda name: {0: {}, 1: {}} if name == "embedded" else {})
    found = compare_seeds(case(), "Grad-CAM", silent)
    assert (
        found.members == () and "No other training of small" in found.sentence and "Choose embedded" in found.sentence
    )


def test_a_method_that_does_not_apply_and_a_number(family):
    found = compare_seeds(case(net=family[1]), "CAM", silent)
    assert [member.state for member in found.members] == ["refused"] * 3 and "cannot be compared" in found.sentence
    for seed in family:
        family[seed] = network(seed, classes=1)
    found = compare_seeds(case("further right", answers="number", net=family[1]), "HiResCAM", silent)
    assert (
        found.members[0].probability is None
        and found.members[0].says == "position"
        and "networks answer from" in found.sentence
    )


def sibling(says, state="evidence"):
    return SeedNetwork(0, False, None, state, says, 0.9, 2.0, {})


@pytest.mark.parametrize(
    ("correlations", "words"),
    [
        ((0.9, 0.5), "alike too (mean rank correlation of two maps 0.70, from 0.50 to 0.90)"),
        ((0.6, 0.5), "only half alike"),
        ((0.9, 0.0), "differs"),
    ],
)
def test_the_rule(correlations, words):
    sentence = verdict([sibling("baya"), sibling("baya"), sibling("rudo"), sibling("rudo", "empty")], correlations)
    assert words in sentence and "2 of 4 networks say Baya" in sentence and "1 of the maps holds nothing" in sentence
