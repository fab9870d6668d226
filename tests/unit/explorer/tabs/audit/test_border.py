"""The model card's words on debiased's heat at the border: it goes where the zeros of the padding go."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import potplants
from explorer.photos import examples
from gradcam import Explainer

EXAMPLES = examples.embedded()
CARD = (Path(__file__).parents[5] / "docs" / "model_card.md").read_text(encoding="utf-8")
BORDER = 8  # columns of 256: 3 % of the photo


def repeated(network):
    """The same weights, with the border repeated where there were zeros."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "replicate"
            module._reversed_padding_repeated_twice = [width for width in module.padding for _ in range(2)]
    return network


def mean_map_and_right(network, name):
    """Over the test photos of a plant: the mean heatmap, and how many are recognised."""
    explainer, total, right = Explainer(network, "conv_layers.6"), np.zeros((256, 256)), 0
    photos = [example.file for example in EXAMPLES.splits["test"] if example.really == name]
    for file in photos:
        pixels = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None].float() / 255
        explanation = explainer.explain(pixels)
        total += explanation.heatmaps[0, 0, 0].numpy()
        right += potplants.CLASSES[int(explanation.logits.argmax())] == name
    assert len(photos) == 30
    return total, right


@pytest.fixture(scope="module")
def networks():
    network = potplants.load("debiased")
    return network, repeated(network)


def test_the_heat_at_the_border_is_an_answer_to_padding(networks):
    (zeros, right), (edge, right_without) = (mean_map_and_right(network, "greg") for network in networks)
    shares = [heat[:, -BORDER:].sum() / heat.sum() for heat in (zeros, edge)]
    assert f"{100 * shares[0]:.0f} % of the heat at conv3 lies on the {100 * BORDER / 256:.0f} %" in flat(CARD)
    assert f"in place of the zeros it is {100 * shares[1]:.0f} %" in flat(CARD)
    assert f"recognised in {right_without} of 30 photos in place of {right}" in flat(CARD)


def test_the_mean_map_of_rudo_peaks_at_the_border_only_with_zeros(networks):
    columns = [np.unravel_index(mean_map_and_right(network, "rudo")[0].argmax(), (256, 256))[1] for network in networks]
    assert f"column {columns[0]} of 256" in flat(CARD) and 20 < columns[1] < 236


def flat(text):
    return " ".join(text.split())
