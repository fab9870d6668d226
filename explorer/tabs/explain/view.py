"""HTML of the tab Explain: the prediction in words, and the grid of heatmaps as a table."""

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import potplants
from classifiers.class_names import class_of_folder
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import ALL_LAYERS, Cell, Column, Sheet, colour_stops, columns, ground_of
from explorer.explanation.targets import FOR_AND_AGAINST, MIXTURE
from explorer.photos.examples import Example
from explorer.rendering.templates import render
from explorer.rendering.wording import percent, titled
from explorer.settings import View

TEMPLATE = "explain/template.html"
BESIDE = 2  # columns of each grid where two stand side by side: the deepest layer, and all in one
DESCRIPTIONS = {  # of targets without logit and probability
    MIXTURE: "all classes, weighted by probability",
    **dict.fromkeys(FOR_AND_AGAINST, "what moves the answer there"),
}


@dataclass(frozen=True)
class Row:
    target: str
    cells: list[Cell | None]  # None where the column has none
    predicted: bool
    description: str  # in place of logit and probability
    logit: float | None = None
    probability: float | None = None


class Gap(NamedTuple):
    """Neighbouring columns without cells."""

    columns: int
    sentence: str


@dataclass(frozen=True)
class Grid:
    """What the template draws a table of cells from."""

    columns: list[Column]
    gaps: dict[int, Gap]  # by the number of their first column
    rows: list[Row]
    selected: tuple  # target and column of the cell with a frame
    opens: bool  # whether a cell can be taken apart: only those of the page's own classifier
    sheet: Sheet
    colours: list[list[int]]  # see colour_stops
    channels: list[tuple[str, str]]  # of the filter from shades to colours
    hottest: float  # the strongest peak
    scale: str
    outline: str


def verdict(explained: ExplainedPhoto, example: Example | None) -> str:
    """The prediction in words, the true class where the photo is an example, and the photo as the network saw it."""
    really = example.really if example else None
    truth = example and class_of_folder(example.really, explained.model.classes)
    probability = max((share for share in explained.probabilities if share is not None), default=None)
    answer = explained.predicted, explained.logits[0], probability
    named = {"hint": _hint(explained, really), "name": explained.model.name, "revision": explained.model.revision}
    photo = ground_of(explained.frame, View(base="photo")).picture
    shown, size = explained.frame.shown(photo), explained.model.preprocessing.size
    return render(TEMPLATE, "verdict", shown, size, explained.note, truth, *answer, **named)


def no_cam(sentence: str) -> str:
    """The refusal of CAM, and a button for the method that applies to any network."""
    return render(TEMPLATE, "no_cam", sentence)


def copied() -> str:
    """Where the page says that a link was copied."""
    return render(TEMPLATE, "copied")


def _hint(explained, really):
    """What a visitor has to know of a model that was made for other photos: a key of the template's hints."""
    knows_plants = explained.model.classes == potplants.CLASSES
    if knows_plants and really not in explained.model.classes:
        return "knows four plants"
    if really in potplants.CLASSES and not knows_plants and explained.model.answers == "class":
        return "knows no plant"
    return ""


def matrix(explained: ExplainedPhoto, sheet: Sheet, view: View, selected=(None, None)) -> str:
    """The grid: a row for every class with its logit, and one for the mixture; a column for every layer.

    selected: target and column of the cell that the other tabs show; it gets a frame.
    """
    return render(TEMPLATE, "matrix", _grid(explained, sheet, view, selected))


def beside(
    one: tuple[ExplainedPhoto, Sheet], other: tuple[ExplainedPhoto, Sheet] | str, view: View, selected=(None, None)
) -> str:
    """The last columns of two classifiers' grids, side by side. other: a sentence where the second cannot answer."""
    grid = _grid(*one, view, selected, BESIDE)
    if isinstance(other, str):
        second = view.beside, "", other
    else:
        second = view.beside, _answer(other[0]), _grid(*other, view, columns_shown=BESIDE, opens=False)
    return render(TEMPLATE, "beside", [(one[0].model.name, _answer(one[0]), grid), second], grid)


def _grid(explained, sheet, view, selected=(None, None), columns_shown=None, opens=True):
    shown = slice(-columns_shown if columns_shown else None, None)
    across = columns(explained)[shown]
    rows = [_row(explained, row[0].target, {cell.layer: cell for cell in row}, across) for row in sheet.cells]
    return Grid(
        columns=across,
        gaps=_gaps(explained, across),
        rows=rows,
        selected=selected,
        opens=opens,
        sheet=sheet,
        colours=colour_stops(view),
        channels=[(name, _table_values(values)) for name, values in zip("RGB", sheet.colours.T)],
        hottest=max((cell.peak for row in rows for cell in row.cells if cell and cell.peak is not None), default=0),
        scale=view.scale,
        outline=view.outline,
    )


def _answer(explained):
    if explained.model.answers == "number":
        return f"{explained.predicted} {explained.logits[0]:+.3f}"
    return f"{titled(explained.predicted)}, {percent(explained.entry(explained.predicted)['probability'])}"


def _table_values(channel):
    """A colour table's channel for an SVG filter: 256 values in 0…1."""
    return " ".join(f"{value / 255:.3f}" for value in channel.tolist())


def _gaps(explained, across):
    """Where columns have no cells, and why: a sentence for neighbouring layers, and one for all together."""
    read = explained.layers[-1].column
    here = f"{explained.method} reads only {read}, the last layer before the average, so there is no map here."
    together = "One layer has a map: there is nothing to combine."
    gaps = {}
    for (has_cells, is_all), run in groupby(enumerate(across), lambda at: (at[1].has_cells, at[1].layer == ALL_LAYERS)):
        if not has_cells:
            numbers = [number for number, _ in run]
            gaps[numbers[0]] = Gap(len(numbers), together if is_all else here)
    return gaps


def _row(explained, target, found, across):
    cells = [found.get(column.layer) for column in across]
    predicted, description = target == explained.predicted, DESCRIPTIONS.get(target, "")
    if description:
        return Row(target, cells, predicted, description)
    entry = explained.entry(target)
    return Row(target, cells, predicted, description, entry["logit"], entry["probability"])
