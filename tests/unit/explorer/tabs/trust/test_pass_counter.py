"""Counted passes: as many as the papers say."""

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
def test_method_costs_as_many_passes_as_its_paper_says(method, forward, backward, column):
    tested = case(column=column)
    heat, cost = measure_cost(lambda model: tested.heat(method, model, f"network.{tested.layer}"), tested.network)
    assert (cost.forward, cost.backward) == (1 + MAPS[column] if "C" in forward else 1, backward)
    assert cost.ms > 0 and torch.equal(heat, tested.heat(method))


def test_occlusion_costs_one_pass_per_square():
    tested = case()
    _, cost = measure_cost(
        lambda model: occlusion(model, tested.image, 1, patch=16, stride=8, at_once=4), tested.network
    )
    assert (cost.forward, cost.backward) == (1 + 9, 0)
    _, careful = measure_cost(lambda model: occlusion(model, tested.image, 1, patch=16, stride=8), tested.network)
    assert careful.forward == 1 + 9 + 1, "without at_once, one pass checks that the network treats each image by itself"


def test_quick_work_is_timed_again_and_the_network_stays_unchanged():
    network, made = nn.Conv2d(3, 4, 1), []
    measure_cost(lambda model: made.append(model) or model(torch.zeros(1, 3, 2, 2)), network)
    assert len(made) == 1 + TIMES and all(isinstance(model, Counted) for model in made)
    assert not network._forward_hooks and network.weight.grad is None
