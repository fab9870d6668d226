"""Normalising and combining heatmaps, by hand; empty and non-finite maps keep their state."""

import torch

from gradcam import combine_evidence, combine_product, combine_rescaled, empty, peaks
from gradcam.heatmaps import min_max, states, upsample, weighted_sum


def test_peaks_and_empty():
    maps = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 1e-9], [0.0, 0.0]]])
    assert empty(maps).tolist() == [True, False]
    torch.testing.assert_close(peaks(maps), torch.tensor([0.0, 1e-9]))


def test_min_max_by_hand():
    assert min_max(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).tolist() == [[0, 0.25], [0.5, 1]]
    assert min_max(torch.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]


def test_combine_rescaled_as_in_the_article():
    """Layer 1 rescaled: [0, ½, 1, 0]; layer 2: [0, 0, 0, 1]; mean [0, ¼, ½, ½]; rescaled again [0, ½, 1, 1]."""
    layers = torch.tensor([[[0.0, 1.0], [2.0, 0.0]], [[5.0, 5.0], [5.0, 6.0]]])  # [L, 2, 2]
    assert combine_rescaled(layers).tolist() == [[0, 0.5], [1, 1]]


def test_combine_product_by_hand():
    """Layer 1 rescaled: [0, ½, 1, ¼]; layer 2: [½, ½, 0, 1]; not rescaled again. Two images at a time give the same."""
    layers = torch.tensor([[[0.0, 2.0], [4.0, 1.0]], [[6.0, 6.0], [5.0, 7.0]]])  # [L, 2, 2]
    assert combine_product(layers).tolist() == [[0, 0.25], [0, 0.25]]
    assert torch.equal(combine_product(torch.stack([layers, layers.flip(0)])), combine_product(layers).expand(2, 2, 2))
    assert torch.equal(combine_product(layers[:1]), min_max(layers[0])), "of one layer it is the layer's own"


def test_combining_empty_layers_gives_an_empty_map():
    assert combine_rescaled(torch.zeros(5, 3, 4, 4)).abs().max() == 0
    assert combine_product(torch.zeros(5, 3, 4, 4)).abs().max() == 0


def test_the_weighted_sum_accepts_one_weight_per_map_or_per_pixel():
    torch.manual_seed(0)
    weights, activation = torch.randn(4, 2, 3, 1, 1, dtype=torch.float64), torch.randn(2, 3, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(
        weighted_sum(weights, activation), weighted_sum(weights.expand(4, 2, 3, 5, 6), activation)
    )


def test_an_overflow_is_not_mistaken_for_an_empty_map():
    """10³⁰ · −10³⁰ is minus infinity in single precision, which a ReLU would turn into zero."""
    activation = torch.tensor([[[[1e30, 1.0]]]])
    for weights in (torch.full((1, 1, 1, 1, 1), -1e30), torch.full((1, 1, 1, 1, 2), -1e30)):
        summed = weighted_sum(weights, activation)
        assert summed.isnan().tolist() == [[[[True, False]]]] and states(summed.relu()) == [["not finite"]]
    large = torch.full((1, 1, 2, 2), 2e38)  # their sum overflows, though no value does
    assert weighted_sum(torch.ones(1, 1, 1, 1, 1), large).tolist() == large.tolist()


def test_a_non_finite_map_makes_the_combination_non_finite():
    for wrong in (torch.nan, torch.inf, -torch.inf):
        layers = torch.tensor([[[0.0, 1.0], [2.0, 0.0]], [[5.0, wrong], [5.0, 6.0]]])
        assert states(min_max(layers)) == ["evidence", "not finite"]
        assert states(combine_rescaled(layers)) == "not finite" and states(combine_evidence(layers)) == "not finite"
        assert states(combine_product(layers)) == "not finite"


def test_upsample_interpolates_along_all_axes():
    """By hand: 0 and 4 linearly interpolated to four positions: 0, 1, 3, 4."""
    for shape in ((2,), (1, 2), (1, 1, 2)):
        size = (*shape[:-1], 4)
        assert upsample(torch.tensor([0.0, 4.0]).view(1, 1, *shape), size).flatten().tolist() == [0, 1, 3, 4]
