"""Statistics of an audit: accuracy, confusion, heat on each part, and whether predictions follow pot or plant."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from explorer.photos.edits import POT_COLOURS
from explorer.photos.masks import PARTS

from .audit import Audit, Prediction
from .causal_test import RepaintedPrediction

ANOTHER = "another class"
Z95 = 1.959964  # standard deviations that hold 95 % of a normal distribution


@dataclass(frozen=True)
class Rate:
    """A count out of a total."""

    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The true share's 95 % confidence interval by Wilson's score: valid for few photos and near 0 and 1."""
        share, total = self.share, self.total
        scale = 1 + Z95**2 / total
        middle = (share + Z95**2 / (2 * total)) / scale
        reach = Z95 * sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2)) / scale
        return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True)
class HeatShares:
    """Where the heat of some photos lies. Empty maps and photos without a mask are counted, but in no share."""

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
class RepaintRates:
    """What the model predicts for a plant in a pot of another plant's colour: that other plant, the plant, neither."""

    pot: Rate
    plant: Rate
    neither: Rate
    unchanged: Rate  # the control: unchanged predictions for pots repainted in their own colour


def select(predictions: Sequence[Prediction], split: str, true_class: str | None = None) -> list[Prediction]:
    """The predictions for the photos of a split, or of one of its classes."""
    return [
        prediction
        for prediction in predictions
        if prediction.example.split == split and true_class in (None, prediction.example.really)
    ]


def accuracy(predictions: Sequence[Prediction]) -> Rate:
    return Rate(sum(prediction.correct for prediction in predictions), len(predictions))


def confusion(
    predictions: Sequence[Prediction], classes: Sequence[str], predicted: Sequence[str] | None = None
) -> list[list[int]]:
    """Photos by true class (rows) and predicted class (columns).

    predicted: the columns, if they are not the rows' classes; ANOTHER counts what is none of the others.
    """
    columns = classes if predicted is None else predicted
    known = set(columns)
    counts = Counter((one.example.really, one.predicted if one.predicted in known else ANOTHER) for one in predictions)
    return [[counts[true_class, column] for column in columns] for true_class in classes]


def confusion_columns(audit: Audit) -> tuple[str, ...]:
    """The predicted classes that a confusion table has: those of the photos, and of more classes one for all others."""
    return audit.classes if audit.classes == audit.model.classes else (*audit.classes, ANOTHER)


def heat_shares(predictions: Sequence[Prediction]) -> HeatShares:
    measured = [prediction for prediction in predictions if prediction.heat]
    return HeatShares(
        photos=len(predictions),
        empty=sum(prediction.empty for prediction in predictions),
        unmasked=sum(prediction.area is None for prediction in predictions),
        measured=len(measured),
        area=_means([prediction.area for prediction in measured]),
        heat=_means([prediction.heat for prediction in measured]),
        hottest={part: sum(part in prediction.hottest for prediction in measured) for part in PARTS},
    )


def repaint_table(
    repainted: Sequence[RepaintedPrediction], classes: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """Plant → pot colour → predicted class → count."""
    counts = Counter((prediction.example.really, prediction.colour, prediction.predicted) for prediction in repainted)
    return {
        plant: {
            colour: {predicted: counts[plant, colour, predicted] for predicted in classes} for colour in POT_COLOURS
        }
        for plant in classes
    }


def repaint_rates(
    repainted: Sequence[RepaintedPrediction], originals: Sequence[Prediction], plant_of_colour: dict[str, str]
) -> RepaintRates | None:
    """None if no plant stands in another's pot: no photo has a mask, or no colour is known to be a plant's."""
    swapped = [
        prediction
        for prediction in repainted
        if plant_of_colour.get(prediction.colour, prediction.example.really) != prediction.example.really
    ]
    own_colour = [prediction for prediction in repainted if prediction.colour == prediction.example.pot_colour]
    if not swapped:
        return None
    before = {prediction.example.key: prediction.predicted for prediction in originals}
    pot = sum(prediction.predicted == plant_of_colour[prediction.colour] for prediction in swapped)
    plant = sum(prediction.predicted == prediction.example.really for prediction in swapped)
    unchanged = sum(before[prediction.example.key] == prediction.predicted for prediction in own_colour)
    return RepaintRates(
        pot=Rate(pot, len(swapped)),
        plant=Rate(plant, len(swapped)),
        neither=Rate(len(swapped) - pot - plant, len(swapped)),
        unchanged=Rate(unchanged, len(own_colour)),
    )


def differences(one: Audit, other: Audit) -> dict[str, int]:
    """Photos that both models classify correctly, only the one, only the other, neither."""
    correct = {prediction.example.key: prediction.correct for prediction in other.predictions}
    pairs = Counter(
        (prediction.correct, correct[prediction.example.key])
        for prediction in one.predictions
        if prediction.example.key in correct
    )
    return {
        "both": pairs[True, True],
        one.model.name: pairs[True, False],
        other.model.name: pairs[False, True],
        "neither": pairs[False, False],
    }


def _means(shares):
    return {part: float(np.mean([share[part] for share in shares])) for part in PARTS} if shares else {}
