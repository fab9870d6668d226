"""The sanity check of Adebayo et al. 2018: randomise the model layer by layer, and see whether the map changes."""

import math
from dataclasses import dataclass
from itertools import takewhile
from statistics import mean

from torch import Tensor

from explorer.explanation.service import Progress
from gradcam import METHODS, cascading_randomisation
from gradcam.sanity import Step

from .map_under_test import MapUnderTest

DRAWS = 3  # of new weights, for methods of one pass; the others are drawn once, since they take seconds each
SAME = 0.9  # rank correlation: over four fifths of the ranks' variance is shared
MOST_STEPS = 8  # of a cascade: lite0 has 101 layers with weights, and each step is an explanation
GONE = 0.5  # less than a quarter of it is


@dataclass(frozen=True)
class SanityCheck:
    """The cascading randomisation for one method. Step 0 is the trained model; without steps the sentence says why."""

    method: str
    steps: tuple[Step, ...]  # of the first draw of new weights
    maps: tuple[Tensor, ...]  # its map at each step, [h, w]
    correlations: tuple[tuple[float, ...], ...]  # step → rank correlation in every draw; NaN: the map ranks nothing
    word: str  # "passes", "partly", "doubtful", "fails" or "cannot tell"
    sentence: str


def run_sanity_check(tested: MapUnderTest, method: str, progress: Progress) -> SanityCheck:
    """Randomise a copy of the model from the top down, and judge how the method's map changes."""
    draws = DRAWS if METHODS[method].passes == "1" else 1
    cascades, maps = [], []

    def explain(model):
        maps.append(tested.heat(method, model))
        return maps[-1]

    for seed in range(draws):
        progress(seed / draws, task=f"{method}: looking again at a model that forgets")
        try:
            cascades.append(cascading_randomisation(tested.loaded_network, explain, seed, MOST_STEPS))
        except ValueError as error:
            return SanityCheck(method, (), (), (), "cannot tell", _why_not(tested, method, str(error), maps))
    steps = cascades[0]
    correlations = tuple(zip(*([step.rank_correlation for step in cascade] for cascade in cascades)))
    word, sentence = judge([step.randomised for step in steps], correlations)
    return SanityCheck(method, steps, tuple(maps[: len(steps)]), correlations, word, sentence)


def judge(randomised: list[str], correlations) -> tuple[str, str]:
    """The verdict's word and sentence, from the layers' names ("" first: the trained model) and the correlations.

    correlations: of each step, over the draws. Judged with every layer drawn anew; a map with nothing to rank counts as
    0. All draws at least SAME: "fails". One of them so, or a mean of at least GONE: "doubtful". Otherwise it "passes" —
    "partly" if the map outlives the topmost layers: at least SAME in every draw after one of them, or a mean of at
    least GONE after two or more, for then it hardly depends on them. Low or negative correlations are alike.
    """
    final = [_zero_if_nan(value) for value in correlations[-1]]
    numbers = _numbers(final)
    if min(final) >= SAME:
        claim = f"the map is the same when nothing learnt is left ({numbers})"
        return "fails", f"Fails: {claim}. It shows the photo, not the model."
    if max(final) >= SAME or mean(final) >= GONE:
        return "doubtful", f"Doubtful: with nothing learnt left, much of the map can still be there ({numbers})."
    if ignored := _ignored_layers(randomised, correlations):
        claim = f"the map goes when all is forgotten ({numbers}), but it hardly notices {_and(ignored)}"
        return "partly", f"Passes in part: {claim}."
    claim = f"the map goes when the model forgets ({numbers})"
    return "passes", f"Passes: {claim}. So it depends on what was learnt; whether it is right, this cannot tell."


def _ignored_layers(randomised, correlations):
    """The topmost layers whose new weights left the map the same in every draw, or much of it after two and more."""
    draws = [[_zero_if_nan(value) for value in values] for values in correlations[1:]]
    same = len(list(takewhile(lambda values: min(values) >= SAME, draws)))
    outlived = len(list(takewhile(lambda values: mean(values) >= GONE, draws)))
    return randomised[1 : 1 + max(same, outlived if outlived > 1 else 0)]


def _numbers(final):
    if len(final) == 1:
        return f"rank correlation with the trained map {final[0]:.2f}, new weights drawn once"
    spread = f"{mean(final):.2f} on average, {min(final):.2f} to {max(final):.2f} in {len(final)} draws of new weights"
    return f"rank correlation with the trained map {spread}"


def _zero_if_nan(correlation):
    return 0.0 if math.isnan(correlation) else correlation


def _why_not(tested, method, error, maps):
    if not maps:
        return f"Cannot tell: {error.split(';')[0]}."
    # the trained model's map was computed, and has nothing to compare with
    empty = f"{method} gives a map without evidence for {tested.target} at {tested.column}"
    return f"Cannot tell: {empty}. Choose another class or layer."


def _and(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
