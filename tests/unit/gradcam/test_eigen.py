"""The first principal axis against NumPy's singular vectors in double precision; none, or more than one."""

import numpy as np
import pytest
import torch
from torch import nn

from gradcam import Explainer
from gradcam.eigen import first_axis


def singular(maps):
    """The first singular value, how far the second is behind (0 to 1), and the first map up to its sign: of [C, hw]."""
    _, sizes, places = np.linalg.svd(maps.double().numpy(), full_matrices=False)
    return sizes[0], 1 - sizes[1] / sizes[0] if len(sizes) > 1 else 1.0, sizes[0] * places[0]


def assert_first(maps):
    axis = first_axis(maps)
    size, gap, expected = singular(maps)
    found = (axis.double() @ maps.double()).numpy()
    away = min(np.abs(found - expected).max(), np.abs(found + expected).max())
    assert away <= 100 * torch.finfo(maps.dtype).eps * size / gap
    torch.testing.assert_close(axis.double().norm(), torch.tensor(1.0, dtype=torch.float64), rtol=1e-5, atol=0)


@pytest.mark.parametrize("seed", range(12))
def test_maps_of_one_pixel(seed):
    """A deep layer and a small photo: the Gram matrix of 512 channels has rank 1, and `eigh` gives up on it."""
    torch.manual_seed(seed)
    assert_first(torch.randn(512, 1).relu())
    network = nn.Sequential(nn.Conv2d(3, 512, 4), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2))
    images = torch.rand(2, 3, 4, 4)
    heat = Explainer(network, "1").explain(images, 0, "Eigen-CAM").heatmaps[:, 0, 0, 0, 0]
    torch.testing.assert_close(heat, network[:2](images).flatten(1).norm(dim=1).detach())


@pytest.mark.parametrize("shape", [(512, 600), (600, 512), (512, 512)])
def test_large_matrices_of_rank_one(shape):
    """LAPACK's `eigh` gives up on some of them in single precision."""
    for seed in range(4):
        torch.manual_seed(seed)
        assert_first(torch.randn(shape[0], 1).relu() @ torch.rand(1, shape[1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(40))
def test_few_ranks_many_dead_channels_any_size_and_scale(seed, dtype):
    rng = np.random.default_rng(seed)
    channels, places, rank = rng.integers(1, 300), rng.integers(1, 200), rng.integers(1, 4)
    maps = rng.normal(size=(channels, rank)) @ rng.normal(size=(rank, places)) * 10.0 ** rng.integers(-30, 30)
    maps[rng.random(channels) < rng.choice([0, 0.9])] = 0
    if maps.any():
        assert_first(torch.tensor(maps, dtype=dtype))


def test_the_smaller_matrix_is_taken(monkeypatch):
    taken, eigh = [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: taken.append(tuple(matrix.shape)) or eigh(matrix))
    for shape in ((2048, 49), (64, 400)):
        first_axis(torch.rand(shape))
    assert taken == [(49, 49), (64, 64)]


def test_the_map_rises_with_the_energy():
    """Channel 0 is (−3, −1), channel 1 is (0, 0): the axis is ±(1, 0), and the first place has the most energy."""
    assert (
        first_axis(torch.tensor([[-3.0, -1.0], [0.0, 0.0]])) @ torch.tensor([[-3.0, -1.0], [0.0, 0.0]])
    ).tolist() == [3, 1]


def test_the_energy_comes_before_the_sum():
    """Energy 9 | 4.84, 4.84, 4.84: the map rises with it though it sums to less than nothing.

    What counts is how far each place lies above the mean energy: Σ A·A² alone is negative, 27 − 3 · 10.6.
    """
    maps = torch.tensor([[-3.0, 2.2, 2.2, 2.2]])
    torch.testing.assert_close(first_axis(maps) @ maps, torch.tensor([3.0, -2.2, -2.2, -2.2]))


def test_a_difference_that_is_hardly_a_number_decides_nothing():
    """400 places have energy 1, 600 have 4.8e-7 less: as much everywhere, and the sum is for the 600."""
    maps = torch.cat([torch.full((1, 400), -1.0), torch.full((1, 600), 1 - 2.0**-22)], 1)
    assert (first_axis(maps) @ maps).sign().tolist() == [-1] * 400 + [1] * 600


def test_a_small_sum_decides_and_a_rounding_of_it_does_not():
    """A thousand places of one energy: 499 against 501 is a majority, 500 against 500 that are 4e-6 less is none."""
    majority = torch.cat([torch.full((1, 499), -1.0), torch.full((1, 501), 1.0)], 1)
    assert (first_axis(majority) @ majority).sign().tolist() == [-1] * 499 + [1] * 501
    even = torch.cat([torch.full((1, 500), 2.0**-18 - 1), torch.full((1, 500), 1.0)], 1)
    assert (first_axis(even) @ even).sign().tolist() == [1] * 500 + [-1] * 500  # positive at the first place


def test_the_first_place_that_counts_has_more_than_half_of_the_largest_weight():
    """Energy and sum decide nothing: each value is there with either sign. The first is too weak."""
    maps = torch.tensor([[0.4, -1.0, 1.0, -0.4]])
    torch.testing.assert_close(first_axis(maps) @ maps, torch.tensor([-0.4, 1.0, -1.0, 0.4]))


def test_where_the_energy_does_not_decide():
    even = torch.tensor([[-2.0, -2.0, -2.0]])  # as much everywhere: the sum is positive
    torch.testing.assert_close(first_axis(even) @ even, torch.full((3,), 2.0))
    odd = torch.tensor([[0.0, -1.0, 1.0]]) * 5  # nor does the sum: positive at the first place that counts
    torch.testing.assert_close(first_axis(odd) @ odd, torch.tensor([0.0, 5.0, -5.0]))


def test_between_axes_that_are_as_good_as_each_other():
    """Three channels, each at a place of its own, equally strong: any axis is first; the even one sums to most."""
    third = 3**-0.5
    torch.testing.assert_close(first_axis(torch.eye(3) * 7), torch.full((3,), third))
    torch.testing.assert_close(first_axis(torch.eye(3)[:, [2, 0, 1]] * 7), torch.full((3,), third))
    uneven = torch.tensor([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 1.0, 0]])  # two places of the most energy
    torch.testing.assert_close(first_axis(uneven), torch.tensor([0.5**0.5, 0.5**0.5, 0.0]))


def test_no_activation_no_axis():
    assert first_axis(torch.zeros(4, 9)).tolist() == [0] * 4
    for wrong in (torch.nan, torch.inf):
        assert first_axis(torch.tensor([[1.0, wrong], [1.0, 1.0]])).isnan().all()


def test_states_say_what_there_was(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 256, 2)).requires_grad_(False)
    network[0].weight.zero_()
    for bias, state in ((0.0, "empty"), (2.0, "constant"), (-2.0, "constant"), (torch.nan, "not finite")):
        network[0].bias.fill_(bias)
        assert Explainer(network, "0").explain(images, 0, "Eigen-CAM").states() == [[[state]]] * 2
