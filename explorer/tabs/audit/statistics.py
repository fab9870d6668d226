"""The audit in numbers: how often right, mistaken for what, how much heat on which part, and whom the model follows, pot or plant."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import PARTS

from .audit import Answer, Audit
from .causal_test import Repainted

Z95 = 1.959964  # standard deviations that hold 95 % of a normal distribution


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence, by Wilson's score: it holds for few photos and near 0 and 1."""
        middle = (self.share + Z95**2 / (2 * self.of)) / (1 + Z95**2 / self.of)
        reach = Z95 * sqrt(self.share * (1 - self.share) / self.of + Z95**2 / (4 * self.of**2)) / (1 + Z95**2 / self.of)
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True)
class Heat:
    """Where the heat of some photos lies. Empty maps and photos without a mask are counted and left out of every share."""

    photos: int
    empty: int  # maps
    unmasked: int
    measured: int  # photos in the shares
    area: dict[str, float]  # part → mean share of the photo
    heat: dict[str, float]  # part → mean share of the heat
    hottest: dict[str, int]  # part → photos whose hottest pixel lies there (the pointing game)

    def ratio(self, part: str) -> float | None:
        """How many times as much heat as its area would get by chance."""
        return self.heat[part] / self.area[part] if self.measured and self.area[part] else None


@dataclass(frozen=True)
class Followed:
    """Whom the answers follow when a plant stands in a pot of another's colour."""

    pot: Rate
    plant: Rate
    neither: Rate
    unchanged: Rate  # the control, pots painted in the colour they had: as many answers stayed


def of_split(answers: Sequence[Answer], split: str, really: str | None = None) -> list[Answer]:
    return [found for found in answers if found.example.split == split and really in (None, found.example.really)]


def accuracy(answers: Sequence[Answer]) -> Rate:
    return Rate(sum(found.right for found in answers), len(answers))


def confusion(answers: Sequence[Answer], classes: Sequence[str]) -> list[list[int]]:
    """Photos by what they really show (rows) and what the model said (columns)."""
    counts = Counter((found.example.really, found.said) for found in answers)
    return [[counts[really, said] for said in classes] for really in classes]


def heat(answers: Sequence[Answer]) -> Heat:
    measured = [found for found in answers if found.heat]
    return Heat(
        photos=len(answers),
        empty=sum(found.empty for found in answers),
        unmasked=sum(found.area is None for found in answers),
        measured=len(measured),
        area=_means([found.area for found in measured]),
        heat=_means([found.heat for found in measured]),
        hottest={part: sum(part in found.hottest for found in measured) for part in PARTS},
    )


def pots(repainted: Sequence[Repainted], classes: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Plant → pot colour → what the model says → how often."""
    counts = Counter((found.example.really, found.colour, found.said) for found in repainted)
    return {
        really: {colour: {said: counts[really, colour, said] for said in classes} for colour in POT_COLOURS}
        for really in classes
    }


def followed(repainted: Sequence[Repainted], answers: Sequence[Answer], owners: dict[str, str]) -> Followed | None:
    """None where no plant stands in another's pot: no photo has a mask, or nobody knows whose colour is whose."""
    foreign = [found for found in repainted if owners.get(found.colour, found.example.really) != found.example.really]
    own = [found for found in repainted if found.colour == found.example.pot_colour]
    if not foreign:
        return None
    before = {found.example.key: found.said for found in answers}
    pot = sum(found.said == owners[found.colour] for found in foreign)
    plant = sum(found.said == found.example.really for found in foreign)
    return Followed(
        pot=Rate(pot, len(foreign)),
        plant=Rate(plant, len(foreign)),
        neither=Rate(len(foreign) - pot - plant, len(foreign)),
        unchanged=Rate(sum(before[found.example.key] == found.said for found in own), len(own)),
    )


def differences(one: Audit, other: Audit) -> dict[str, int]:
    """Of the same photos: both right, only the one, only the other, none."""
    right = {found.example.key: found.right for found in other.answers}
    pairs = Counter((found.right, right[found.example.key]) for found in one.answers if found.example.key in right)
    return {
        "both": pairs[True, True],
        one.model.name: pairs[True, False],
        other.model.name: pairs[False, True],
        "neither": pairs[False, False],
    }


def _means(shares):
    return {part: float(np.mean([share[part] for share in shares])) for part in PARTS} if shares else {}
