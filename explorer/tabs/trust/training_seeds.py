"""Networks trained alike but for their random seed: how similar are their heatmaps and their predictions?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

import torch
from torch import Tensor, nn

import potplants
from explorer.explanation.service import Progress
from explorer.rendering.wording import titled
from gradcam.heatmaps import states
from gradcam.sanity import rank_correlation

from .map_under_test import MapUnderTest

ALIKE = 0.7  # mean rank correlation: about half of the ranks' variance is shared
DIFFERENT = 0.5  # less than a quarter of it is


@dataclass(frozen=True)
class SeedNetwork:
    seed: int
    shipped: bool  # the one that the model's name stands for
    heat: Tensor | None  # [h, w]; None: the method does not apply
    state: str  # gradcam's word for the map, or "refused"
    predicted: str  # the class with the largest logit; of a model that answers with a number, its name
    probability: float | None  # of the predicted class; None for a number
    value: float  # the largest logit, or the number
    accuracy: dict[str, float]  # split → share of correct predictions


@dataclass(frozen=True)
class SeedComparison:
    networks: tuple[SeedNetwork, ...]  # by seed; empty for a model without siblings
    correlations: tuple[float, ...]  # of every pair of maps with evidence
    sentence: str


def compare_seeds(tested: MapUnderTest, method: str, progress: Progress) -> SeedComparison:
    """Every sibling's map and prediction for the same target, layer and method."""
    name = tested.model.name
    if name not in potplants.MODELS:  # of others one training is known
        return SeedComparison((), (), _no_siblings(name))
    siblings, accuracies = potplants.siblings(name), potplants.sibling_figures(name)
    if not siblings:
        return SeedComparison((), (), _no_siblings(name))
    networks = []
    for done, (seed, network) in enumerate(sorted(siblings.items())):
        progress(done / len(siblings), task=f"asking the network of seed {seed}")
        networks.append(_run(tested, method, seed, network, accuracies.get(seed, {})))
    maps = [network.heat for network in networks if network.state == "evidence"]
    correlations = tuple(rank_correlation(one, other) for one, other in combinations(maps, 2))
    return SeedComparison(tuple(networks), correlations, verdict(networks, correlations))


def verdict(networks: Sequence[SeedNetwork], correlations: Sequence[float]) -> str:
    """How similar the predictions and the maps are, with the numbers behind it.

    Maps are alike at a mean rank correlation of at least ALIKE, different below DIFFERENT, and half alike between.
    """
    return f"{_predictions(networks)} {_maps(networks, correlations)}"


def _run(tested, method, seed, network: nn.Module, accuracy):
    shipped = network is potplants.load(tested.model.name)
    try:
        heat = tested.heat(method, network)
        state = str(states(heat))
    except ValueError:
        heat, state = None, "refused"
    with torch.no_grad():
        logits = network(tested.image[None])[0]  # siblings stay on the CPU
    best = int(logits.argmax())
    predicted = tested.model.classes[best]
    probability = None if tested.model.answers == "number" else float(logits.double().softmax(0)[best])
    return SeedNetwork(seed, shipped, heat, state, predicted, probability, float(logits[best]), accuracy)


def _no_siblings(name):
    others = [other for other in potplants.MODELS if potplants.sibling_figures(other)]
    rest = f" Choose {' or '.join(others)} to see networks that differ only in their seed." if others else ""
    return (
        f"No other training of {name} is here to compare with, so how much of its heat is chance cannot be told.{rest}"
    )


def _predictions(networks):
    predicted = [network.predicted for network in networks]
    most = max(sorted(set(predicted)), key=predicted.count)
    if networks[0].probability is None:
        values = [network.value for network in networks]
        answers = f"The {len(networks)} networks answer from {min(values):+.2f} to {max(values):+.2f}"
    elif predicted.count(most) == len(predicted):
        answers = f"All {len(networks)} networks say {titled(most)}"
    else:
        answers = f"{predicted.count(most)} of {len(networks)} networks say {titled(most)}"
    right = [network.accuracy["test"] for network in networks if "test" in network.accuracy]
    if not right:
        return f"{answers}."
    return f"{answers}; on the test photos they are right for {min(right):.0%} to {max(right):.0%}.".replace("%", " %")


def _maps(networks, correlations):
    without = sum(network.state != "evidence" for network in networks)
    rest = f" {without} of the maps {'holds' if without == 1 else 'hold'} nothing to compare." if without else ""
    if not correlations:
        return f"Their heat cannot be compared.{rest}"
    alike = mean(correlations)
    spread = f"from {min(correlations):.2f} to {max(correlations):.2f}"
    numbers = f"(mean rank correlation of two maps {alike:.2f}, {spread})"
    if alike >= ALIKE:
        return f"Their heat is alike too {numbers}.{rest}"
    if alike >= DIFFERENT:
        advice = "read one network's map as that network's, not as the training's"
        return f"Their heat is only half alike {numbers}: {advice}.{rest}"
    advice = "one network's map says little about what this training teaches; a repaint test says more"
    return f"Their heat differs {numbers}: {advice}.{rest}"
