"""HTML of the tab Explain: the prediction in words, and the grid of heatmaps as a table."""

from dataclasses import dataclass

import potplants
from explorer.explanation.grid import Cell, colour_stops, columns
from explorer.explanation.service import FOR_AND_AGAINST, MIXTURE, ExplainedPhoto
from explorer.rendering.templates import render
from explorer.settings import View

TEMPLATE = "explain/template.html"
DESCRIPTIONS = {  # of targets without logit and probability
    MIXTURE: "all classes, weighted by probability",
    **dict.fromkeys(FOR_AND_AGAINST, "what moves the answer there"),
}


@dataclass(frozen=True)
class Row:
    target: str
    cells: list[Cell]
    predicted: bool
    description: str  # in place of logit and probability
    logit: float | None = None
    probability: float | None = None


def verdict(explained: ExplainedPhoto, label: str | None) -> str:
    """The prediction in words, the true class where its label is known, and the photo as the network saw it."""
    truth = label if explained.predicted in potplants.CLASSES else None
    probability = max((share for share in explained.probabilities if share is not None), default=None)
    answer = explained.predicted, explained.logits[0], probability
    return render(TEMPLATE, "verdict", explained.photo, explained.model.size, explained.note, truth, *answer)


def matrix(explained: ExplainedPhoto, cells: list[list[Cell]], view: View, selected=(None, None)) -> str:
    """The grid: a row for every class with its logit, and one for the mixture; a column for every layer.

    selected: target and column of the cell that the other tabs show; it gets a frame.
    """
    rows = [_row(explained, row) for row in cells]
    return render(TEMPLATE, "matrix", columns(explained).items(), rows, selected, colour_stops(view), view.scale)


def _row(explained, cells):
    target = cells[0].target
    predicted, description = target == explained.predicted, DESCRIPTIONS.get(target, "")
    if description:
        return Row(target, cells, predicted, description)
    index = explained.model.classes.index(target)
    return Row(target, cells, predicted, description, explained.logits[index], explained.probabilities[index])
