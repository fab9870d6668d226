"""Cascading randomisation: does the map depend on what the model learnt? Adebayo et al. 2018, arXiv:1810.03292."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from torch import Tensor, nn

from .heatmaps import states
from .random_numbers import GeneratorStates, PrivateRandomNumbers
from .reinitialisation import layers_of, private_copy, randomise, require_randomisable


@dataclass(frozen=True)
class Step:
    randomised: str  # the layer that lost its weights in this step, or "" for the trained model
    rank_correlation: float  # Spearman's, of the map with the trained model's; 1 is the same order of pixels
    similarity: float  # SSIM of the two maps, each rescaled to 0..1
    state: str  # "compared", or why not: "empty", "constant", "not finite"


def cascading_randomisation(
    model: nn.Module, explain: Callable[[nn.Module], Tensor], seed: int = 0, most_steps: int | None = None
) -> tuple[Step, ...]:
    """Randomise the model's layers from the top down, one more each step, and compare the maps with the trained one's.

    most_steps: in a network of more layers, several are drawn anew in a step, in even groups, as the paper goes through
    a deep network by blocks. None: one by one.
    explain: a function model → heatmap [H, W]. A method whose map stays alike explains the photo, not the model.
    Works on a copy: the model's weights are never touched. A layer is a module with weights of its own, parametrized
    ones (weight norm, spectral norm) included; `randomise` draws them anew, from the seed, and verifies that they
    changed. A step whose map is empty, constant or not finite has no similarity: its numbers are NaN and its state
    says why.

    Raises ValueError for a model without layers, or with one whose weights cannot be drawn anew: lazy ones that were
    never run, those on the meta device, quantised or scripted ones, and parametrized ones that a draw leaves the same.
    """
    require_randomisable(model)
    trained = _with_evidence(explain(model))
    randomised = private_copy(model)
    layers = layers_of(randomised)
    if not layers:
        raise ValueError("expected a model with layers that can be randomised, found none")
    random_numbers, steps = PrivateRandomNumbers(GeneratorStates(seed)), [_compare("", trained, trained)]
    for group in _groups(list(reversed(layers.items())), most_steps):
        for name, layer in group:
            randomise(name, layer, random_numbers)
        steps.append(_compare(_name_of(group), trained, explain(randomised).detach().cpu().double()))
    return tuple(steps)


def _groups(layers, most_steps):
    """The layers in at most so many groups of almost the same size, in their order."""
    count = len(layers) if most_steps is None else min(most_steps, len(layers))
    ends = [round(len(layers) * index / count) for index in range(count + 1)]
    return [layers[start:end] for start, end in pairwise(ends)]


def _name_of(group):
    (first, _), *others = group
    return f"{first} and {len(others)} before it" if others else first


def rank_correlation(one, other) -> float:
    """Spearman's: the correlation of ranks, equal values sharing their mean rank."""
    return float(np.corrcoef(_ranks(np.ravel(one)), _ranks(np.ravel(other)))[0, 1])


def structural_similarity(one, other) -> float:
    """Mean SSIM of two maps [H, W] in 0..1: Gaussian window, σ = 1.5, 11 pixels (Wang et al. 2004, eq. 13)."""
    one, other = np.asarray(one, float), np.asarray(other, float)

    def mean(values):
        return cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)

    mean_one, mean_other = mean(one), mean(other)
    variance_one, variance_other = mean(one**2) - mean_one**2, mean(other**2) - mean_other**2
    covariance = mean(one * other) - mean_one * mean_other
    c1, c2 = 0.01**2, 0.03**2  # the paper's C₁ and C₂, from K₁ and K₂, for a range of 1
    similarity = (2 * mean_one * mean_other + c1) * (2 * covariance + c2)
    similarity /= (mean_one**2 + mean_other**2 + c1) * (variance_one + variance_other + c2)
    return float(similarity[5:-5, 5:-5].mean() if min(one.shape) > 10 else similarity.mean())


def _compare(name, trained, heat):
    state = states(heat)
    if state != "evidence":
        return Step(name, float("nan"), float("nan"), state)
    one, other = (_rescaled(values) for values in (trained, heat))
    return Step(name, rank_correlation(one, other), structural_similarity(one, other), "compared")


def _with_evidence(heat):
    if heat.ndim != 2 or states(heat) != "evidence":
        raise ValueError(
            f"expected a heatmap [H, W] with evidence from the trained model, got {list(heat.shape)}, {states(heat)}: "
            "there is nothing to compare with"
        )
    return heat.detach().cpu().double()


def _rescaled(heat):
    values = heat.numpy()
    return (values - values.min()) / (values.max() - values.min())


def _ranks(values):
    """Ranks from 0, ties at their mean."""
    order = values.argsort(kind="stable")
    _, first, counts = np.unique(values[order], return_index=True, return_counts=True)
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(first + (counts - 1) / 2, counts)
    return ranks
