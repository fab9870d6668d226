"""A figure for print: photo, logits and the grid of heatmaps, black on white whatever the page's theme.

It is laid out once, as texts, pictures and rectangles in pixels, and drawn as pixels (PNG, PDF) or as SVG.
"""

from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import Cell
from explorer.explanation.targets import MIXTURE
from explorer.rendering.drawing import FAINT, INK, Layout, Picture, Rectangle, Text
from explorer.rendering.templates import render
from explorer.rendering.wording import percent, titled
from explorer.settings import View
from gradcam import colour_table

CELL, GAP, LINE = 512, 24, 64  # pixels: a picture, the space between two, a line of text; 512 at 300 dpi are 43 mm
HEAD = 620  # pixels: the column of class names and logits
BAR = "#c8c8c8"
HEADING, NAME, NUMBER, SMALL, SMALLEST = 44, 52, 38, 34, 30  # heights of letters in pixels


def layout(explained: ExplainedPhoto, cells: list[list[Cell]], view: View, truth: str | None = None) -> Layout:
    """Photo and colour bar on the left; for each target its name and logit, then its maps over their peaks."""
    rows, columns = len(cells), len(cells[0])
    step = CELL + LINE + GAP
    left, top = CELL + 2 * GAP, 2 * LINE + GAP
    sheet = Layout(left + HEAD + columns * (CELL + GAP) + GAP, top + rows * step + GAP)
    sheet.picture(explained.shown, GAP, top, CELL)
    legend, lines = top + CELL + GAP, _legend(explained, truth)
    for line, text in enumerate(lines):
        sheet.texts.append(Text(text, GAP, legend + line * LINE, SMALL, FAINT if line else INK, most=CELL))
    bar = legend + len(lines) * LINE + GAP
    sheet.pictures.append(Picture(colour_table(view.colormap)[None], GAP, bar, CELL, 32, smooth=False))
    _write(sheet, "no evidence", GAP, bar + 40, SMALLEST, FAINT)
    _write(sheet, "peak", GAP + CELL - 70, bar + 40, SMALLEST, FAINT)
    for column, cell in enumerate(cells[0]):
        middle = left + HEAD + column * (CELL + GAP) + CELL / 2
        _write(sheet, cell.column, middle, LINE // 2, HEADING, centred=True)
    for row, row_cells in enumerate(cells):
        _row(sheet, explained, row_cells, left, top + row * step)
    return sheet


def _write(sheet, words, x, y, size, ink=INK, centred=False):
    sheet.texts.append(Text(words, x, y, size, ink, centred, most=HEAD - GAP))


def _row(sheet, explained, cells, left, top):
    target = cells[0].target
    _write(sheet, titled(target), left, top, NAME)
    for line, text in enumerate(_numbers(explained, target), 1):
        _write(sheet, text, left, top + line * LINE, NUMBER, FAINT)
    if target in explained.model.classes and explained.model.answers == "class":
        share, width = explained.entry(target)["probability"], HEAD - 3 * GAP
        y = top + 3 * LINE
        sheet.rectangles += [Rectangle(left, y, width, 24, BAR), Rectangle(left, y, round(share * width), 24, INK)]
    for column, cell in enumerate(cells):
        x = left + HEAD + column * (CELL + GAP)
        sheet.picture(cell.picture, x, top, CELL)
        _write(sheet, cell.measured, x + CELL / 2, top + CELL + 8, SMALL, FAINT, centred=True)


def _numbers(explained, target):
    if target == MIXTURE:
        return ["all classes,", "by probability"]
    if target not in explained.model.classes:
        return [f"{explained.model.classes[0]} {explained.logits[0]:+.3f}"]
    entry = explained.entry(target)
    return [f"logit {entry['logit']:+.2f}", percent(entry["probability"])]


def _legend(explained, truth):
    if explained.model.answers == "class":
        answer = f"{titled(explained.predicted)}, {percent(explained.entry(explained.predicted)['probability'])}"
    else:
        answer = f"{explained.logits[0]:+.3f}"
    return [
        f"The model says {answer}",
        *([f"really {titled(truth)}"] if truth else []),
        f"model {explained.model.name}",
        explained.method,
        "Colour is evidence for",
        "the target of the row.",
    ]


def as_svg(sheet: Layout) -> str:
    """The layout as SVG: text that can be searched and edited, pictures in their own pixels."""
    return render("explain/figure.svg", "sheet", sheet)
