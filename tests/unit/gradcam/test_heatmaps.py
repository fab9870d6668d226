"""Normalising and combining: worked by hand, and honest about maps that hold nothing."""

import torch

from gradcam import combine_evidence, combine_rescaled, empty, peaks
from gradcam.heatmaps import min_max, states, upsample, weighted_sum


def test_peaks_and_empty():
    maps = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 1e-9], [0.0, 0.0]]])
    assert empty(maps).tolist() == [True, False]
    torch.testing.assert_close(peaks(maps), torch.tensor([0.0, 1e-9]))


def test_min_max_by_hand():
    assert min_max(torch.tensor([[1.0, 2.0], [3.0, 5.0]])).tolist() == [[0, 0.25], [0.5, 1]]
    assert min_max(torch.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]


def test_layers_combine_as_in_the_article():
    """Layer 1 stretched: [0, 1/2, 1, 0]; layer 2: [0, 0, 0, 1]; mean [0, 1/4, 1/2, 1/2]; stretched again [0, 1/2, 1, 1]."""
    layers = torch.tensor([[[0.0, 1.0], [2.0, 0.0]], [[5.0, 5.0], [5.0, 6.0]]])  # [L, 2, 2]
    assert combine_rescaled(layers).tolist() == [[0, 0.5], [1, 1]]


def test_layers_without_evidence_stay_without():
    assert combine_rescaled(torch.zeros(5, 3, 4, 4)).abs().max() == 0


def test_the_weighted_sum_is_the_same_for_one_weight_a_map_and_one_a_pixel():
    torch.manual_seed(0)
    weights, activation = torch.randn(4, 2, 3, 1, 1, dtype=torch.float64), torch.randn(2, 3, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(
        weighted_sum(weights, activation), weighted_sum(weights.expand(4, 2, 3, 5, 6), activation)
    )


def test_what_overflowed_is_not_taken_for_no_evidence():
    """10³⁰ · −10³⁰ is minus infinity in single precision, of which a ReLU would make zero."""
    activation = torch.tensor([[[[1e30, 1.0]]]])
    for weights in (torch.full((1, 1, 1, 1, 1), -1e30), torch.full((1, 1, 1, 1, 2), -1e30)):
        summed = weighted_sum(weights, activation)
        assert summed.isnan().tolist() == [[[[True, False]]]] and states(summed.relu()) == [["not finite"]]
    large = torch.full((1, 1, 2, 2), 2e38)  # whose sum overflows, though none of them did
    assert weighted_sum(torch.ones(1, 1, 1, 1, 1), large).tolist() == large.tolist()


def test_a_map_that_is_not_finite_does_not_vanish_among_others():
    for wrong in (torch.nan, torch.inf, -torch.inf):
        layers = torch.tensor([[[0.0, 1.0], [2.0, 0.0]], [[5.0, wrong], [5.0, 6.0]]])
        assert states(min_max(layers)) == ["evidence", "not finite"]
        assert states(combine_rescaled(layers)) == "not finite" and states(combine_evidence(layers)) == "not finite"


def test_maps_are_enlarged_along_all_their_axes():
    """By hand: 0 and 4 over four places, each the mean of its neighbours by nearness: 0, 1, 3, 4."""
    for shape in ((2,), (1, 2), (1, 1, 2)):
        size = (*shape[:-1], 4)
        assert upsample(torch.tensor([0.0, 4.0]).view(1, 1, *shape), size).flatten().tolist() == [0, 1, 3, 4]
