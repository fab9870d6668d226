"""The first principal axis against NumPy's singular vectors in double precision; degenerate and ambiguous cases."""

import numpy as np
import pytest
import torch
from torch import nn

from gradcam import Explainer
from gradcam.eigen import first_axis


def reference(maps):
    """Of [C, hw]: first singular value, relative gap to the second (0 to 1), first map up to its sign."""
    _, values, vectors = np.linalg.svd(maps.double().numpy(), full_matrices=False)
    return values[0], 1 - values[1] / values[0] if len(values) > 1 else 1.0, values[0] * vectors[0]


def assert_first_axis(maps):
    axis = first_axis(maps)
    size, gap, expected = reference(maps)
    projection = (axis.double() @ maps.double()).numpy()
    error = min(np.abs(projection - expected).max(), np.abs(projection + expected).max())
    assert error <= 100 * torch.finfo(maps.dtype).eps * size / gap
    torch.testing.assert_close(axis.double().norm(), torch.tensor(1.0, dtype=torch.float64), rtol=1e-5, atol=0)


@pytest.mark.parametrize("seed", range(12))
def test_maps_of_one_pixel(seed):
    """A deep layer and a small photo: the Gram matrix of 512 channels has rank 1, for which `eigh` may not converge."""
    torch.manual_seed(seed)
    assert_first_axis(torch.randn(512, 1).relu())
    network = nn.Sequential(nn.Conv2d(3, 512, 4), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2))
    images = torch.rand(2, 3, 4, 4)
    heat = Explainer(network, "1").explain(images, 0, "Eigen-CAM").heatmaps[:, 0, 0, 0, 0]
    torch.testing.assert_close(heat, network[:2](images).flatten(1).norm(dim=1).detach())


@pytest.mark.parametrize("shape", [(512, 600), (600, 512), (512, 512)])
def test_large_matrices_of_rank_one(shape):
    """LAPACK's `eigh` does not converge on some of them in single precision."""
    for seed in range(4):
        torch.manual_seed(seed)
        assert_first_axis(torch.randn(shape[0], 1).relu() @ torch.rand(1, shape[1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(40))
def test_low_rank_and_dead_channels_of_any_size_and_scale(seed, dtype):
    rng = np.random.default_rng(seed)
    channels, positions, rank = rng.integers(1, 300), rng.integers(1, 200), rng.integers(1, 4)
    maps = rng.normal(size=(channels, rank)) @ rng.normal(size=(rank, positions)) * 10.0 ** rng.integers(-30, 30)
    maps[rng.random(channels) < rng.choice([0, 0.9])] = 0
    if maps.any():
        assert_first_axis(torch.tensor(maps, dtype=dtype))


def test_the_smaller_gram_matrix_is_decomposed(monkeypatch):
    taken, eigh = [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: taken.append(tuple(matrix.shape)) or eigh(matrix))
    for shape in ((2048, 49), (64, 400)):
        first_axis(torch.rand(shape))
    assert taken == [(49, 49), (64, 64)]


def test_the_map_correlates_positively_with_the_energy():
    """Channel 0 is (−3, −1), channel 1 is (0, 0): the axis is ±(1, 0), and the first position has the most energy."""
    assert (
        first_axis(torch.tensor([[-3.0, -1.0], [0.0, 0.0]])) @ torch.tensor([[-3.0, -1.0], [0.0, 0.0]])
    ).tolist() == [3, 1]


def test_energy_takes_precedence_over_the_sum():
    """Energy 9 | 4.84, 4.84, 4.84: the map correlates with it although its sum is negative.

    Energies are centred by their mean: Σ A·A² without centring is negative, 27 − 3 · 10.6.
    """
    maps = torch.tensor([[-3.0, 2.2, 2.2, 2.2]])
    torch.testing.assert_close(first_axis(maps) @ maps, torch.tensor([3.0, -2.2, -2.2, -2.2]))


def test_an_energy_difference_within_rounding_is_ignored():
    """400 positions have energy 1, 600 have 4.8e-7 less: equal within rounding, so the sum decides, for the 600."""
    maps = torch.cat([torch.full((1, 400), -1.0), torch.full((1, 600), 1 - 2.0**-22)], 1)
    assert (first_axis(maps) @ maps).sign().tolist() == [-1] * 400 + [1] * 600


def test_a_small_sum_decides_the_sign_but_a_rounding_error_does_not():
    """1000 positions of equal energy: 499 against 501 is a majority, 500 against 500 that are 4e-6 less is none."""
    majority = torch.cat([torch.full((1, 499), -1.0), torch.full((1, 501), 1.0)], 1)
    assert (first_axis(majority) @ majority).sign().tolist() == [-1] * 499 + [1] * 501
    even = torch.cat([torch.full((1, 500), 2.0**-18 - 1), torch.full((1, 500), 1.0)], 1)
    assert (first_axis(even) @ even).sign().tolist() == [1] * 500 + [-1] * 500  # positive at the first position


def test_the_first_position_above_half_of_the_largest_weight_decides():
    """Energy and sum are symmetric: each value occurs with both signs. The first position is too weak."""
    maps = torch.tensor([[0.4, -1.0, 1.0, -0.4]])
    torch.testing.assert_close(first_axis(maps) @ maps, torch.tensor([-0.4, 1.0, -1.0, 0.4]))


def test_sign_if_the_energy_is_uniform():
    even = torch.tensor([[-2.0, -2.0, -2.0]])  # uniform energy: the sum is positive
    torch.testing.assert_close(first_axis(even) @ even, torch.full((3,), 2.0))
    odd = torch.tensor([[0.0, -1.0, 1.0]]) * 5  # the sum is zero too: positive at the first strong position
    torch.testing.assert_close(first_axis(odd) @ odd, torch.tensor([0.0, 5.0, -5.0]))


def test_choice_among_equally_strong_axes():
    """Three equally strong channels at different positions: any axis is first; the uniform one has the largest sum."""
    third = 3**-0.5
    torch.testing.assert_close(first_axis(torch.eye(3) * 7), torch.full((3,), third))
    torch.testing.assert_close(first_axis(torch.eye(3)[:, [2, 0, 1]] * 7), torch.full((3,), third))
    uneven = torch.tensor([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 1.0, 0]])  # two positions of maximal energy
    torch.testing.assert_close(first_axis(uneven), torch.tensor([0.5**0.5, 0.5**0.5, 0.0]))


def test_zero_or_non_finite_activations_have_no_axis():
    assert first_axis(torch.zeros(4, 9)).tolist() == [0] * 4
    for wrong in (torch.nan, torch.inf):
        assert first_axis(torch.tensor([[1.0, wrong], [1.0, 1.0]])).isnan().all()


def test_states_of_degenerate_activations(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 256, 2)).requires_grad_(False)
    network[0].weight.zero_()
    for bias, state in ((0.0, "empty"), (2.0, "constant"), (-2.0, "constant"), (torch.nan, "not finite")):
        network[0].bias.fill_(bias)
        assert Explainer(network, "0").explain(images, 0, "Eigen-CAM").states() == [[[state]]] * 2
