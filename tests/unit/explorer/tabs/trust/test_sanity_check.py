"""The sanity check's rule, and the cascading randomisation it judges."""

import math

import pytest
import torch
from torch import nn
from trust_case import case, network, silent

from explorer.tabs.trust import sanity_check
from explorer.tabs.trust.sanity_check import DRAWS, judge, run_sanity_check
from gradcam import cascading_randomisation

NAMES = ["", "fc_layers.3", "fc_layers.1", "conv_layers.6"]
NAN = math.nan


@pytest.mark.parametrize(
    ("top", "middle", "last", "word"),
    [
        ((0.2, 0.1), (0.1, 0.0), (0.95, 0.9), "fails"),
        ((0.2, 0.1), (0.1, 0.0), (0.95, -0.5), "doubtful"),  # one draw left it the same
        ((0.2, 0.1), (0.1, 0.0), (0.6, 0.4), "doubtful"),  # half of it stays on average
        ((0.2, 0.1), (0.1, 0.0), (0.8, -0.7), "passes"),
        ((0.2, 0.1), (0.1, 0.0), (NAN, NAN), "passes"),  # the map has become empty
        ((1.0, 1.0), (0.95, 0.9), (0.1, 0.2), "partly"),
        ((1.0, 0.8), (0.4, 0.5), (0.1, 0.2), "passes"),  # in one draw the top layer mattered
        ((1.0, 0.8), (0.6, 0.4), (0.1, 0.2), "partly"),  # half of the map outlives two layers
    ],
)
def test_verdict_by_the_correlations(top, middle, last, word):
    verdict, sentence = judge(NAMES, ((1.0, 1.0), top, middle, last))
    assert verdict == word
    assert ("2 draws" in sentence) and sentence.endswith(".")


def test_ignored_layers_are_named():
    _, sentence = judge(NAMES, ((1.0,), (1.0,), (0.97,), (0.1,)))
    assert "hardly notices fc_layers.3 and fc_layers.1." in sentence and "drawn once" in sentence


def test_cascade_equals_gradcams_and_its_maps_are_the_steps():
    tested = case()
    sanity = run_sanity_check(tested, "HiResCAM", silent)
    cascade = cascading_randomisation(tested.network, lambda model: tested.heat("HiResCAM", model), seed=0)
    assert sanity.steps == cascade and len(sanity.maps) == len(cascade) == 6
    assert torch.equal(sanity.maps[0], tested.heat("HiResCAM"))
    assert all(len(values) == DRAWS for values in sanity.correlations)
    assert [values[0] for values in sanity.correlations] == [step.rank_correlation for step in cascade]
    assert len(set(sanity.correlations[-1])) == DRAWS  # each draw has other weights


def test_method_without_gradients_ignores_the_top_layers():
    sanity = run_sanity_check(case(), "Eigen-CAM", silent)
    assert [step.randomised for step in sanity.steps[1:3]] == ["fc_layers.3", "fc_layers.1"]
    assert all(value == pytest.approx(1) for values in sanity.correlations[1:3] for value in values)
    assert sanity.word != "passes"


def test_costly_method_is_drawn_once():
    assert all(len(values) == 1 for values in run_sanity_check(case(), "Score-CAM", silent).correlations)


def test_map_that_depends_on_the_photo_only_fails(monkeypatch):
    tested = case()
    monkeypatch.setattr(sanity_check.MapUnderTest, "heat", lambda self, *_: self.image.mean(0))
    assert run_sanity_check(tested, "Grad-CAM", silent).word == "fails"


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_layers = network().conv_layers

    def forward(self, images):
        return 0 * self.conv_layers(images).mean((1, 2, 3))[:, None] + torch.tensor([[0.0, 3.0, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("net", "method", "reason"),
    [(Constant(), "Grad-CAM", "without evidence for baya"), (None, "CAM", "global average")],
)
def test_missing_trained_map_is_explained(net, method, reason):
    sanity = run_sanity_check(case(net=net), method, silent)
    assert sanity.word == "cannot tell" and reason in sanity.sentence and sanity.steps == ()
