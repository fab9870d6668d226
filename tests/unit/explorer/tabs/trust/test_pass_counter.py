"""Passes are counted while they happen: as many as the papers say."""

import pytest
import torch
from torch import nn
from trust_case import case

from explorer.tabs.trust.pass_counter import TIMES, Counted, measure_cost
from gradcam import occlusion

MAPS = {"conv1": 16, "conv3": 64}


@pytest.mark.parametrize("column", MAPS)
@pytest.mark.parametrize(
    ("method", "forward", "backward"),
    [
        ("Grad-CAM", "1", 1),
        ("Grad-CAM++", "1", 1),
        ("HiResCAM", "1", 1),
        ("Eigen-CAM", "1", 0),
        ("Ablation-CAM", "1 + C", 0),
        ("Score-CAM", "1 + C", 0),
    ],
)
def test_each_method_costs_what_its_paper_says(method, forward, backward, column):
    subject = case(column=column)
    heat, cost = measure_cost(lambda model: subject.heat(method, model, f"network.{subject.layer}"), subject.network)
    assert (cost.forward, cost.backward) == (1 + MAPS[column] if "C" in forward else 1, backward)
    assert cost.ms > 0 and torch.equal(heat, subject.heat(method))


def test_occlusion_costs_one_pass_a_square():
    subject = case()
    _, cost = measure_cost(
        lambda model: occlusion(model, subject.image, 1, patch=16, stride=8, at_once=4), subject.network
    )
    assert (cost.forward, cost.backward) == (1 + 9, 0)
    _, careful = measure_cost(lambda model: occlusion(model, subject.image, 1, patch=16, stride=8), subject.network)
    assert careful.forward == 1 + 9 + 1, "nobody said that the network treats each image by itself: it is asked"


def test_what_is_quick_is_timed_again_and_the_network_is_not_touched():
    network, made = nn.Conv2d(3, 4, 1), []
    measure_cost(lambda model: made.append(model) or model(torch.zeros(1, 3, 2, 2)), network)
    assert len(made) == 1 + TIMES and all(isinstance(model, Counted) for model in made)
    assert not network._forward_hooks and network.weight.grad is None
