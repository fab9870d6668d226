"""The sanity check of Adebayo et al. 2018: forget what the model learnt, layer by layer, and see whether the map notices."""

import math
from dataclasses import dataclass
from statistics import mean

from torch import Tensor

from explorer.explanation.service import Progress
from gradcam import METHODS, cascading_randomisation
from gradcam.sanity import Step

from .map_under_test import MapUnderTest

DRAWS = 3  # of new weights, for methods of one pass; the others are drawn once, since they take seconds each
SAME = 0.9  # rank correlation: over four fifths of the ranks' variance is shared
GONE = 0.5  # less than a quarter of it is


@dataclass(frozen=True)
class Trial:
    """The cascade for one method. Step 0 is the trained model; a trial without steps says in its sentence why."""

    method: str
    steps: tuple[Step, ...]  # of the first draw of new weights
    maps: tuple[Tensor, ...]  # its map at each step, [S, S]
    correlations: tuple[
        tuple[float, ...], ...
    ]  # of each step: the rank correlation in every draw; NaN where the map had nothing to rank
    word: str  # "passes", "partly", "doubtful", "fails" or "cannot tell"
    sentence: str


def run_sanity_check(subject: MapUnderTest, method: str, progress: Progress) -> Trial:
    """Randomise a copy of the model from the top down, and judge how the method's map takes it."""
    draws = DRAWS if METHODS[method].passes == "1" else 1
    found, maps = [], []
    for seed in range(draws):
        progress(seed / draws, task=f"{method}: looking again at a model that forgets")
        try:
            found.append(
                cascading_randomisation(subject.network, lambda model: _keep(maps, subject.heat(method, model)), seed)
            )
        except ValueError as error:
            return Trial(method, (), (), (), "cannot tell", _why_not(subject, method, str(error), maps))
    steps = found[0]
    correlations = tuple(zip(*([step.rank_correlation for step in draw] for draw in found)))
    return Trial(
        method,
        steps,
        tuple(maps[: len(steps)]),
        correlations,
        *judge([step.randomised for step in steps], correlations),
    )


def judge(randomised: list[str], correlations) -> tuple[str, str]:
    """The verdict's word and sentence, from the layers' names ("" first: the trained model) and each step's correlations over the draws.

    Judged with every layer drawn anew; a map with nothing to rank counts as 0. All draws at least SAME: "fails". One of them so, or a mean of at
    least GONE: "doubtful". Otherwise it "passes" — "partly" when drawing the topmost layers anew had left the map the same in every draw,
    for then it does not depend on them. Low or negative correlations are alike: another map.
    """
    final = [_counted(value) for value in correlations[-1]]
    behind = _behind(final)
    if min(final) >= SAME:
        return (
            "fails",
            f"Fails: the map is the same when nothing learnt is left ({behind}). It shows the photo, not the model.",
        )
    if max(final) >= SAME or mean(final) >= GONE:
        return "doubtful", f"Doubtful: with nothing learnt left, much of the map can still be there ({behind})."
    deaf = []
    for name, values in zip(randomised[1:], correlations[1:]):
        if min(map(_counted, values)) < SAME:
            break
        deaf.append(name)
    if deaf:
        return (
            "partly",
            f"Passes in part: the map goes when all is forgotten ({behind}), but it does not notice {_and(deaf)}.",
        )
    return (
        "passes",
        f"Passes: the map goes when the model forgets ({behind}). So it depends on what was learnt; whether it is right, this cannot tell.",
    )


def _behind(final):
    if len(final) == 1:
        return f"rank correlation with the trained map {final[0]:.2f}, new weights drawn once"
    return f"rank correlation with the trained map {mean(final):.2f} on average, {min(final):.2f} to {max(final):.2f} in {len(final)} draws of new weights"


def _counted(correlation):
    return 0.0 if math.isnan(correlation) else correlation


def _keep(maps, heat):
    maps.append(heat)
    return heat


def _why_not(subject, method, error, maps):
    if maps:  # the trained model's map was made, and has nothing to compare with
        return f"Cannot tell: {method} gives a map without evidence for {subject.target} at {subject.column}. Choose another class or layer."
    return f"Cannot tell: {error.split(';')[0]}."


def _and(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
