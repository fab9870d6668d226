"""The sanity check's rule, and the cascade it is read from."""

import math

import pytest
import torch
from torch import nn
from trust_case import case, network, silent

from explorer.tabs.trust import sanity_check as trust_sanity
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
        ((0.2, 0.1), (0.1, 0.0), (NAN, NAN), "passes"),  # nothing is left of the map
        ((1.0, 1.0), (0.95, 0.9), (0.1, 0.2), "partly"),
        ((1.0, 0.8), (1.0, 1.0), (0.1, 0.2), "passes"),  # in one draw the top layer mattered
    ],
)
def test_the_rule(top, middle, last, word):
    said, sentence = judge(NAMES, ((1.0, 1.0), top, middle, last))
    assert said == word
    assert ("2 draws" in sentence) and sentence.endswith(".")


def test_layers_it_does_not_notice_are_named():
    _, sentence = judge(NAMES, ((1.0,), (1.0,), (0.97,), (0.1,)))
    assert "does not notice fc_layers.3 and fc_layers.1." in sentence and "drawn once" in sentence


def test_the_cascade_is_gradcams_and_its_maps_are_the_steps():
    subject = case()
    trial = run_sanity_check(subject, "HiResCAM", silent)
    alone = cascading_randomisation(subject.network, lambda model: subject.heat("HiResCAM", model), seed=0)
    assert trial.steps == alone and len(trial.maps) == len(alone) == 6
    assert torch.equal(trial.maps[0], subject.heat("HiResCAM"))
    assert all(len(values) == DRAWS for values in trial.correlations)
    assert [values[0] for values in trial.correlations] == [step.rank_correlation for step in alone]
    assert len({values for values in trial.correlations[-1]}) == DRAWS  # each draw has weights of its own


def test_a_method_that_never_asks_the_answer_does_not_notice_the_top():
    trial = run_sanity_check(case(), "Eigen-CAM", silent)
    assert [step.randomised for step in trial.steps[1:3]] == ["fc_layers.3", "fc_layers.1"]
    assert all(value == pytest.approx(1) for values in trial.correlations[1:3] for value in values)
    assert trial.word != "passes"


def test_costly_methods_are_drawn_once():
    assert all(len(values) == 1 for values in run_sanity_check(case(), "Score-CAM", silent).correlations)


def test_a_map_of_the_photo_alone_fails(monkeypatch):
    subject = case()
    monkeypatch.setattr(trust_sanity.MapUnderTest, "heat", lambda self, *_: self.image.mean(0))
    assert run_sanity_check(subject, "Grad-CAM", silent).word == "fails"


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_layers = network().conv_layers

    def forward(self, images):
        return 0 * self.conv_layers(images).mean((1, 2, 3))[:, None] + torch.tensor([[0.0, 3.0, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("net", "method", "says"), [(Flat(), "Grad-CAM", "without evidence for baya"), (None, "CAM", "global average")]
)
def test_without_a_trained_map_it_says_so(net, method, says):
    trial = run_sanity_check(case(net=net), method, silent)
    assert trial.word == "cannot tell" and says in trial.sentence and trial.steps == ()
