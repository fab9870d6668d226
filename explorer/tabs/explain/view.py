"""What the tab Explain shows: the prediction in words, and the grid as a table that reads like a matrix."""

from dataclasses import dataclass

import potplants
from explorer.explanation.grid import Cell, columns
from explorer.explanation.service import FOR_AND_AGAINST, MIXTURE, Study
from explorer.rendering.templates import render
from gradcam import colour_table

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


def verdict(study: Study, really: str | None) -> str:
    """What the model said, in words, what the photo really shows where that is known, and the photo as the network saw it."""
    truth = really if study.predicted in potplants.CLASSES else None
    probability = None if study.model.answers == "number" else max(study.probabilities)
    answer = study.predicted, study.logits[0], probability
    return render(TEMPLATE, "verdict", study.photo, study.model.size, study.note, truth, *answer)


def matrix(study: Study, cells: list[list[Cell]], colormap: str, scale: str, chosen=(None, None)) -> str:
    """The grid: a row for every class with its logit, and one for the mixture; a column for every layer.

    chosen: target and column of the cell that the other tabs look at; it gets a frame.
    """
    rows = [_row(study, row) for row in cells]
    return render(
        TEMPLATE, "matrix", columns(study).items(), rows, chosen, colour_table(colormap)[::15].tolist(), scale
    )


def _row(study, cells):
    target = cells[0].target
    predicted, says = target == study.predicted, SAYS.get(target, "")
    if says:
        return Row(target, cells, predicted, says)
    index = study.model.classes.index(target)
    return Row(target, cells, predicted, says, study.logits[index], study.probabilities[index])
