"""Grad-CAM step by step: the parts add up, and equal what gradcam and the tab Explain compute."""

import json
import re
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from squares import as_image, explain_photo

import potplants
from explorer.settings import View
from explorer.tabs.steps.breakdown import (
    break_down,
    captioned_pictures,
    colour_indices,
    diverging_table,
    largest_magnitude,
    robust_magnitude,
    signed_picture,
    steps_of,
    summary,
)
from explorer.tabs.steps.view import walkthrough
from gradcam import take_apart


@pytest.fixture
def hand_made(steps_with):
    """Two weights, 2 and −1, on maps of 2 × 2. S = [[2, −3], [0, 1]]."""
    return steps_with([2.0, -1.0], [[[1.0, 0.0], [0.5, 1.0]], [[0.0, 3.0], [1.0, 1.0]]])


# ----------------------------------------------------------------------------------------------------- numbers


def test_every_heatmap_equals_that_of_the_tab_explain(service, explained):
    cells = {(cell["target"], cell["layer"]): cell for cell in explained.report()["cells"]}
    assert len(cells) == 15
    for target in explained.targets:
        for column in ("conv1", "conv2", "conv3"):
            one = steps_of(service.device, explained, target, column)
            cell = cells[target, one.layer]
            assert one.peak == pytest.approx(cell["peak"], rel=1e-4) and one.empty == cell["empty"]
            heat = explained.heat(target, column).numpy()
            np.testing.assert_allclose(one.anatomy.heatmap.numpy(), heat, rtol=1e-3, atol=1e-4 * heat.max())


def test_properties_of_a_hand_made_sum(hand_made):
    assert hand_made.order == (0, 1)
    assert (hand_made.evidence_for, hand_made.evidence_against) == (3.0, -3.0)
    assert hand_made.positive_share == 0.5
    assert hand_made.hottest == (0, 0) and hand_made.terms((1, 1)).tolist() == [2.0, -1.0]
    # S is above zero at (0, 0) and (1, 1): map 0 puts 2 + 2 there, map 1 takes 1 away, 3 in all
    assert hand_made.shares == pytest.approx((4 / 3, -1 / 3))
    assert hand_made.share_of_top(1) == pytest.approx(4 / 3) and hand_made.share_of_top(2) == pytest.approx(1)


def test_order_is_by_descending_magnitude_of_the_weight(steps):
    weights = steps.anatomy.weights.tolist()
    assert sorted(steps.order) == list(range(64))
    assert [abs(weights[k]) for k in steps.order] == sorted(map(abs, weights), reverse=True)


def test_the_report_adds_up(steps):
    report = json.loads(json.dumps(steps.report()))
    maps = steps.anatomy.activation.double().numpy()
    summed = sum(entry["weight"] * maps[entry["index"]] for entry in report["weights"])
    assert (summed.min(), summed.max()) == pytest.approx((report["sum_min"], report["sum_max"]), rel=1e-4)
    assert report["score"] == report["logits"]["baya"] == max(report["logits"].values())
    assert 0 < report["peak"] <= report["sum_max"] and report["empty"] is False
    positive = summed[summed > 0].sum()
    assert report["positive_share"] == pytest.approx(positive / abs(summed).sum(), rel=1e-4)
    for entry in report["heat_by_top_maps"]:
        top = sum(e["weight"] * maps[e["index"]] for e in report["weights"][: entry["maps"]])
        assert entry["share"] == pytest.approx(top[summed > 0].sum() / positive, rel=1e-3)
    assert sum(steps.shares) == pytest.approx(1)
    assert report["layer"] == "conv_layers.6" and report["map_shape"] == [64, 64]


def test_mixture_weights_are_class_weights_averaged_by_probability(service, explained):
    network = service.network("embedded")
    steps = {name: break_down(explained, network, name, "conv3") for name in explained.targets}
    weights = {name: one.anatomy.weights.double() for name, one in steps.items()}
    mixed = sum(p * weights[name] for name, p in zip(explained.model.classes, explained.probabilities))
    torch.testing.assert_close(weights["mixture"], mixed, rtol=1e-4, atol=1e-9)


def explain_random_photo(model):
    torch.manual_seed(1)
    photo = np.random.default_rng(0).integers(0, 255, (model.size, model.size, 3), np.uint8)
    network = model.network().eval()
    return explain_photo(photo, "", model, network, "Grad-CAM"), network


def test_a_regression_model_is_broken_down_in_both_directions():
    model = replace(potplants.MODELS["car_single_room"], network=partial(potplants.CNN, 1, 8, 224))
    car, network = explain_random_photo(model)
    right, left = (break_down(car, network, side, "conv2") for side in ("further right", "further left"))
    assert break_down(car, network, "predicted", "conv2").target == "further right"
    assert right.anatomy.score == -left.anatomy.score == pytest.approx(car.logits[0])
    torch.testing.assert_close(right.anatomy.weights, -left.anatomy.weights)
    for one in (right, left):
        html = walkthrough(one, View(base="photo", colormap="viridis"))
        assert f"speaks for {one.target}" in html and "<mtext>position</mtext>" in html
        assert one.report()["logits"] == {"position": pytest.approx(car.logits[0])}


def test_a_network_with_global_average_pooling_is_broken_down():
    """The last convolution's gradient is the head's own weight over the area, wherever the ReLU after it is active."""
    gap, network = explain_random_photo(replace(potplants.MODELS["pot_plant_classifier_gap"], size=32))
    one = break_down(gap, network, "greg", "conv3")
    through = (one.anatomy.activation > 0).double().mean((1, 2)) / 32**2
    expected = network.fc[1].weight[2].detach().double() * through
    torch.testing.assert_close(one.anatomy.weights.double(), expected, rtol=1e-4, atol=1e-10)
    assert "conv_layers.4" in walkthrough(one, View(base="none", colormap="cividis"))


def test_unknown_target_or_layer_raises_with_the_choices(service, explained):
    network = service.network("embedded")
    for target, column, choice in (
        ("fern", "conv1", "rudo"),
        ("further left", "conv1", "mixture"),
        ("rudo", "conv9", "conv3"),
    ):
        with pytest.raises(ValueError, match=choice):
            break_down(explained, network, target, column)


# ---------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("name", potplants.MODELS)
def test_summary_equals_a_forward_pass_without_hooks(name):
    model = potplants.MODELS[name]
    network = model.network()
    rows = summary(network, torch.zeros(3, model.size, model.size))
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in network.parameters())
    assert set(model.layers) <= {row.layer for row in rows}
    output = torch.zeros(1, 3, model.size, model.size)
    for row, module in zip(rows, network.conv_layers):  # no hooks: one module after the other
        output = module(output)
        assert row.output_shape == tuple(output.shape[1:]) and row.kind == type(module).__name__
    assert rows[-1].output_shape == (len(model.classes),)


def test_summary_of_the_first_layer():
    first = summary(potplants.load("embedded"), torch.zeros(3, 256, 256))[0]
    assert (first.layer, first.output_shape, first.parameters) == (
        "conv_layers.0",
        (16, 256, 256),
        16 * (3 * 3 * 3 + 1),
    )


# -------------------------------------------------------------------------------------------------------- colours


def test_zero_is_neutral_and_both_signs_are_equally_dark():
    table = diverging_table()
    assert table.shape == (255, 3) and len(set(table[127].tolist())) == 1
    lightness = cv2.cvtColor(table[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0, :, 0]
    assert abs(lightness - lightness[::-1]).max() < 1
    assert (np.diff(lightness[127:]) < 0.3).all() and lightness[127] - lightness[254] > 50
    assert (table[:100, 2] > table[:100, 0]).all() and (table[155:, 0] > table[155:, 2]).all()


def test_signs_differ_under_deuteranopia():
    """Deuteranopia after Viénot, Brettel and Mollon 1999, in linear RGB."""
    simulation = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    linear = (diverging_table() / 255) ** 2.2
    simulated = np.clip(linear @ simulation.T, 0, 1) ** (1 / 2.2) * 255
    for distance in (30, 60, 127):
        assert np.abs(simulated[127 - distance] - simulated[127 + distance]).max() > 25, distance


def test_colour_indices_are_linear_and_clipped():
    values = torch.tensor([[-2.0, 0.0], [1.0, 2.0]])
    assert colour_indices(values, 2.0).tolist() == [[0, 127], [127 + 64, 254]]
    assert colour_indices(values * 5, 2.0).tolist() == [[0, 127], [254, 254]]  # clipped
    assert (colour_indices(torch.zeros(2, 2), 0.0) == 127).all()
    with pytest.raises(ValueError, match="overflowed"):
        colour_indices(torch.tensor([[float("nan")]]), 1.0)


def test_a_small_map_is_enlarged_to_squares_of_one_colour():
    picture = signed_picture(torch.tensor([[-1.0, 0.0], [0.5, 1.0]]), (8, 8), 1.0)
    assert picture.shape == (8, 8, 3)
    for row in range(2):
        for column in range(2):
            block = picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].reshape(-1, 3)
            assert (block == block[0]).all()
    assert (picture[0, 0] == diverging_table()[0]).all() and (picture[0, 7] == diverging_table()[127]).all()


def test_robust_magnitude_is_the_99th_percentile():
    values = torch.arange(1.0, 101.0).reshape(10, 10) * torch.tensor([1.0, -1.0]).repeat(5)
    assert robust_magnitude(values) == 99 and largest_magnitude(values) == 100
    outlier = torch.zeros(20, 20)
    outlier[3, 4] = -7
    assert robust_magnitude(outlier) == 7 and robust_magnitude(torch.zeros(3, 3)) == 0


def test_captions_name_the_maps_in_order(steps):
    pictures = captioned_pictures(steps, View())
    captions = [caption for _, caption in pictures]
    assert len(pictures) == 16 + 3 and all(p.shape == (256, 256, 3) and p.dtype == np.uint8 for p, _ in pictures)
    assert [int(re.match(r"A(\d+) ", caption)[1]) for caption in captions[:16]] == list(steps.order[:16])
    assert captions[16].startswith("weighted sum") and captions[17].startswith("after ReLU") and "peak" in captions[18]


def test_steps_equal_those_of_gradcam(steps, explained, service):
    """The steps are those of gradcam itself, on the photo as the network saw it."""
    direct = take_apart(service.network("embedded"), "conv_layers.6", as_image(explained.photo)[0], 1)
    torch.testing.assert_close(direct.summed, steps.anatomy.summed)
