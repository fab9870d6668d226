"""Networks of several training seeds: their maps are compared in pairs, their predictions counted."""

from itertools import combinations

import pytest
import scipy.stats
from trust_case import case, network, silent

import potplants
from explorer.tabs.trust.training_seeds import SeedNetwork, compare_seeds, verdict


@pytest.fixture
def siblings(monkeypatch):
    networks = {3: network(3), 0: network(0), 1: network(1)}
    monkeypatch.setitem(potplants.MODELS, "small", potplants.MODELS["embedded"])  # only plants have siblings
    monkeypatch.setattr(potplants, "siblings", lambda name: networks)
    monkeypatch.setattr(
        potplants, "sibling_figures", lambda name: {seed: {"val": 0.9, "test": 0.6 + seed / 10} for seed in networks}
    )
    monkeypatch.setattr(potplants, "load", lambda name: networks[1])
    return networks


def test_every_sibling_is_run_and_every_pair_of_maps_compared(siblings):
    tested = case(net=siblings[1])
    seeds = compare_seeds(tested, "HiResCAM", silent)
    assert [network.seed for network in seeds.networks] == [0, 1, 3]
    assert [network.shipped for network in seeds.networks] == [False, True, False]
    maps = [tested.heat("HiResCAM", siblings[seed]) for seed in (0, 1, 3)]
    pairs = [scipy.stats.spearmanr(one.flatten(), other.flatten()).statistic for one, other in combinations(maps, 2)]
    assert seeds.correlations == pytest.approx(pairs, abs=1e-6)
    for each in seeds.networks:
        logits = siblings[each.seed](tested.image[None]).detach()[0]
        assert each.predicted == potplants.CLASSES[logits.argmax()]
        assert each.probability == pytest.approx(float(logits.softmax(0).max()), abs=1e-5)
    assert "right for 60 % to 90 %" in seeds.sentence and "mean rank correlation" in seeds.sentence


def test_identical_networks_are_alike(siblings):
    siblings[3] = siblings[0] = siblings[1]
    seeds = compare_seeds(case(net=siblings[1]), "HiResCAM", silent)
    assert (
        seeds.correlations == pytest.approx((1, 1, 1))
        and "alike too" in seeds.sentence
        and "All 3 networks say" in seeds.sentence
    )


def test_model_without_siblings_says_so(monkeypatch):
    monkeypatch.setitem(potplants.MODELS, "small", potplants.MODELS["car_single_room"])
    monkeypatch.setattr(potplants, "siblings", lambda name: {})
    monkeypatch.setattr(potplants, "sibling_figures", lambda name: {0: {}, 1: {}} if name == "embedded" else {})
    seeds = compare_seeds(case(), "Grad-CAM", silent)
    assert (
        seeds.networks == () and "No other training of small" in seeds.sentence and "Choose embedded" in seeds.sentence
    )


def test_refused_method_and_a_number_are_said(siblings):
    seeds = compare_seeds(case(net=siblings[1]), "CAM", silent)
    assert [network.state for network in seeds.networks] == ["refused"] * 3 and "cannot be compared" in seeds.sentence
    for seed in siblings:
        siblings[seed] = network(seed, classes=1)
    seeds = compare_seeds(case("further right", answers="number", net=siblings[1]), "HiResCAM", silent)
    assert (
        seeds.networks[0].probability is None
        and seeds.networks[0].predicted == "position"
        and "networks answer from" in seeds.sentence
    )


def seed_network(predicted, state="evidence"):
    return SeedNetwork(0, False, None, state, predicted, 0.9, 2.0, {})


@pytest.mark.parametrize(
    ("correlations", "words"),
    [
        ((0.9, 0.5), "alike too (mean rank correlation of two maps 0.70, from 0.50 to 0.90)"),
        ((0.6, 0.5), "only half alike"),
        ((0.9, 0.0), "differs"),
    ],
)
def test_verdict_by_the_mean_correlation(correlations, words):
    sentence = verdict(
        [seed_network("baya"), seed_network("baya"), seed_network("rudo"), seed_network("rudo", "empty")], correlations
    )
    assert words in sentence and "2 of 4 networks say Baya" in sentence and "1 of the maps holds nothing" in sentence
