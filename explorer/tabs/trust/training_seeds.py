"""Networks trained alike but for their random seed: how alike is their heat, and how alike are their answers?"""

from dataclasses import dataclass
from itertools import combinations
from statistics import mean

import torch
from torch import Tensor, nn

import potplants
from explorer.explanation.service import Progress
from gradcam.heatmaps import states
from gradcam.sanity import rank_correlation

from .map_under_test import MapUnderTest

ALIKE = 0.7  # mean rank correlation: about half of the ranks' variance is shared
DIFFERENT = 0.5  # less than a quarter of it is


@dataclass(frozen=True)
class SeedNetwork:
    seed: int
    shipped: bool  # the one that speaks under the model's name
    heat: Tensor | None  # [S, S]; None: the method does not apply
    state: str  # gradcam's word for the map, or "refused"
    says: str  # the class with the largest logit; of a model that answers with a number, its name
    probability: float | None  # of what it says; None for a number
    value: float  # the largest logit, or the number
    accuracy: dict[str, float]  # split → share of right answers


@dataclass(frozen=True)
class SeedComparison:
    members: tuple[SeedNetwork, ...]  # by seed; empty for a model that came alone
    correlations: tuple[float, ...]  # of every pair of maps with evidence
    sentence: str


def compare_seeds(subject: MapUnderTest, method: str, progress: Progress) -> SeedComparison:
    """Every sibling's map and answer for the same class, layer and method."""
    name = subject.model.name
    networks, figures = potplants.siblings(name), potplants.sibling_figures(name)
    if not networks:
        return SeedComparison((), (), _alone(name))
    members = []
    for done, (seed, network) in enumerate(sorted(networks.items())):
        progress(done / len(networks), task=f"asking the network of seed {seed}")
        members.append(_ask(subject, method, seed, network, figures.get(seed, {})))
    correlations = tuple(
        rank_correlation(one.heat, other.heat)
        for one, other in combinations([member for member in members if member.state == "evidence"], 2)
    )
    return SeedComparison(tuple(members), correlations, verdict(members, correlations))


def verdict(members, correlations) -> str:
    """How alike the answers and the maps are, with the numbers behind it.

    Maps are alike at a mean rank correlation of at least ALIKE, different below DIFFERENT, and half alike between.
    """
    return f"{_answers(members)} {_maps(members, correlations)}"


def _ask(subject, method, seed, network: nn.Module, accuracy):
    shipped = network is potplants.load(subject.model.name)
    try:
        heat = subject.heat(method, network)
        state = states(heat)
    except ValueError:
        heat, state = None, "refused"
    with torch.no_grad():
        logits = network(subject.image[None])[0]  # siblings stay on the CPU
    best = int(logits.argmax())
    probability = None if subject.model.answers == "number" else float(logits.double().softmax(0)[best])
    return SeedNetwork(
        seed, shipped, heat, state, subject.model.classes[best], probability, float(logits[best]), accuracy
    )


def _alone(name):
    others = [other for other in potplants.MODELS if potplants.sibling_figures(other)]
    rest = f" Choose {' or '.join(others)} to see networks that differ only in their seed." if others else ""
    return (
        f"No other training of {name} is here to compare with, so how much of its heat is chance cannot be told.{rest}"
    )


def _answers(members):
    says = [member.says for member in members]
    most = max(sorted(set(says)), key=says.count)
    if members[0].probability is None:
        values = [member.value for member in members]
        answers = f"The {len(members)} networks answer from {min(values):+.2f} to {max(values):+.2f}"
    elif says.count(most) == len(says):
        answers = f"All {len(members)} networks say {most.capitalize()}"
    else:
        answers = f"{says.count(most)} of {len(members)} networks say {most.capitalize()}"
    right = [member.accuracy["test"] for member in members if "test" in member.accuracy]
    return (
        f"{answers}; on the test photos they are right for {min(right):.0%} to {max(right):.0%}.".replace("%", " %")
        if right
        else f"{answers}."
    )


def _maps(members, correlations):
    without = sum(member.state != "evidence" for member in members)
    rest = f" {without} of the maps {'holds' if without == 1 else 'hold'} nothing to compare." if without else ""
    if not correlations:
        return f"Their heat cannot be compared.{rest}"
    alike = mean(correlations)
    numbers = (
        f"(mean rank correlation of two maps {alike:.2f}, from {min(correlations):.2f} to {max(correlations):.2f})"
    )
    if alike >= ALIKE:
        return f"Their heat is alike too {numbers}.{rest}"
    if alike >= DIFFERENT:
        return f"Their heat is only half alike {numbers}: read one network's map as that network's, not as the training's.{rest}"
    return f"Their heat differs {numbers}: one network's map says little about what this training teaches; a repaint test says more.{rest}"
