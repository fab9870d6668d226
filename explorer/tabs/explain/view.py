"""What the tab Explain shows: the prediction in words, and the grid as a table that reads like a matrix."""

from dataclasses import dataclass

import potplants
from explorer.explanation.grid import Cell, colour_stops, columns
from explorer.explanation.service import FOR_AND_AGAINST, MIXTURE, ExplainedPhoto
from explorer.rendering.templates import render
from explorer.settings import View

TEMPLATE = "explain/template.html"
SAYS = {
    MIXTURE: "all classes, weighted by probability",
    **dict.fromkeys(FOR_AND_AGAINST, "what moves the answer there"),
}


@dataclass(frozen=True)
class Row:
    target: str
    cells: list[Cell]
    predicted: bool
    says: str  # in place of logit and probability, where there is none
    logit: float | None = None
    probability: float | None = None


def verdict(explained: ExplainedPhoto, really: str | None) -> str:
    """What the model said, in words, what the photo really shows where that is known, and the photo as the network saw it."""
    truth = really if explained.predicted in potplants.CLASSES else None
    probability = None if explained.model.answers == "number" else max(explained.probabilities)
    answer = explained.predicted, explained.logits[0], probability
    return render(TEMPLATE, "verdict", explained.photo, explained.model.size, explained.note, truth, *answer)


def matrix(explained: ExplainedPhoto, cells: list[list[Cell]], view: View, chosen=(None, None)) -> str:
    """The grid: a row for every class with its logit, and one for the mixture; a column for every layer.

    chosen: target and column of the cell that the other tabs look at; it gets a frame.
    """
    rows = [_row(explained, row) for row in cells]
    return render(TEMPLATE, "matrix", columns(explained).items(), rows, chosen, colour_stops(view), view.scale)


def _row(explained, cells):
    target = cells[0].target
    predicted, says = target == explained.predicted, SAYS.get(target, "")
    if says:
        return Row(target, cells, predicted, says)
    index = explained.model.classes.index(target)
    return Row(target, cells, predicted, says, explained.logits[index], explained.probabilities[index])
