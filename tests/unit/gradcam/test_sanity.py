"""The sanity check detects maps that do not depend on the model, and leaves the model unchanged."""

import math
import threading

import numpy as np
import pytest
import scipy.stats
import skimage.metrics
import torch
from plain_grad_cam import assert_same_state, model_state
from torch import nn

from gradcam import Explainer, cascading_randomisation, edge_map
from gradcam.sanity import rank_correlation, structural_similarity


def heatmap_of_class_1(network, images):
    return lambda model: Explainer(model, "3").explain(images[:1], 1, signed=True).heatmaps[0, 0, 0]


def test_layers_are_randomised_from_the_top_and_the_model_is_unchanged(network, images):
    before, rng = model_state(network), torch.get_rng_state()
    steps = cascading_randomisation(network, heatmap_of_class_1(network, images))
    assert [step.randomised for step in steps] == ["", "13", "11", "6", "3", "0"]
    assert steps[0].rank_correlation == pytest.approx(1) and steps[0].similarity == pytest.approx(1)
    assert_same_state(before, model_state(network))
    assert torch.equal(rng, torch.get_rng_state())
    assert cascading_randomisation(network, heatmap_of_class_1(network, images)) == steps  # the same seed
    assert abs(steps[-1].rank_correlation) < 0.9


def test_random_numbers_of_other_threads_do_not_matter(network, images):
    alone, stop = cascading_randomisation(network, heatmap_of_class_1(network, images)), threading.Event()

    def draw_random_numbers():
        while not stop.is_set():
            torch.manual_seed(9)
            torch.rand(3)

    thread = threading.Thread(target=draw_random_numbers)
    thread.start()
    try:
        for _ in range(5):
            assert cascading_randomisation(network, heatmap_of_class_1(network, images)) == alone
    finally:
        stop.set()
        thread.join()


def test_a_map_that_ignores_the_model_is_detected(network, images):
    edges = torch.from_numpy(edge_map(np.random.default_rng(0).random((32, 32, 3)))[..., 0].astype(float))
    steps = cascading_randomisation(network, lambda model: edges)
    assert all(step.rank_correlation == pytest.approx(1) and step.similarity == pytest.approx(1) for step in steps)


def test_empty_maps_are_reported_not_scored(network):
    trained = torch.rand(12, 12)
    steps = cascading_randomisation(network, lambda model: trained if model is network else torch.zeros(12, 12))
    assert [step.state for step in steps[1:]] == ["empty"] * 5
    assert all(math.isnan(step.similarity) and math.isnan(step.rank_correlation) for step in steps[1:])
    with pytest.raises(ValueError, match="nothing to compare"):
        cascading_randomisation(network, lambda model: torch.zeros(12, 12))
    with pytest.raises(ValueError, match="layers"):
        cascading_randomisation(nn.ReLU(), lambda model: trained)


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_equals_scipys_spearman(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 6, 200).astype(float), rng.integers(0, 6, 200).astype(float)
    assert rank_correlation(one, other) == pytest.approx(scipy.stats.spearmanr(one, other).statistic)


@pytest.mark.parametrize("seed", range(5))
def test_similarity_equals_scikit_images_ssim(seed):
    rng = np.random.default_rng(seed)
    one = rng.random((40, 50))
    other = np.clip(one + rng.normal(0, 0.1 * (seed + 1), one.shape), 0, 1)
    expected = skimage.metrics.structural_similarity(
        one, other, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert structural_similarity(one, other) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("most", "ends", "names"),
    [(2, (2, 5), ["13 and 1 before it", "6 and 2 before it"]), (5, range(1, 6), ["13", "11", "6", "3", "0"])],
)
def test_steps_of_several_layers_are_those_of_one_by_one(network, images, most, ends, names):
    """A step that draws several layers anew ends where as many single steps do: same layers, same random numbers."""
    explain = heatmap_of_class_1(network, images)
    single, grouped = cascading_randomisation(network, explain), cascading_randomisation(network, explain, 0, most)
    assert [step.randomised for step in grouped] == ["", *names]
    for step, end in zip(grouped[1:], ends, strict=True):
        assert step.rank_correlation == single[end].rank_correlation and step.similarity == single[end].similarity
    assert cascading_randomisation(network, explain, 0, 99) == single
