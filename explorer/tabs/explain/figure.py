"""A figure for print: photo, logits and the grid of heatmaps, black on white whatever the page's theme."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import Cell
from explorer.explanation.targets import MIXTURE
from explorer.rendering.wording import percent, titled
from explorer.settings import View
from gradcam import colour_table

CELL, GAP, LINE = 512, 24, 64  # pixels: a picture, the space between two, a line of text; 512 at 300 dpi are 43 mm
HEAD = 620  # pixels: the column of class names and logits
INK, FAINT, BAR = "black", "#555555", "#c8c8c8"


def figure(explained: ExplainedPhoto, cells: list[list[Cell]], view: View) -> Image.Image:
    """Photo and colour bar on the left; for each target its name and logit, then its maps over their peaks."""
    rows, columns = len(cells), len(cells[0])
    step = CELL + LINE + GAP
    left, top = CELL + 2 * GAP, 2 * LINE + GAP
    sheet = Image.new("RGB", (left + HEAD + columns * (CELL + GAP) + GAP, top + rows * step + GAP), "white")
    pen = _Pen(sheet)
    pen.picture(explained.shown, GAP, top)
    legend = top + CELL + GAP
    for line, text in enumerate(_legend(explained)):
        pen.write(text, GAP, legend + line * LINE, 34, FAINT if line else INK)
    bar = legend + len(_legend(explained)) * LINE + GAP
    pen.ramp(colour_table(view.colormap), GAP, bar)
    pen.write("no evidence", GAP, bar + 40, 30, FAINT)
    pen.write("peak", GAP + CELL - 70, bar + 40, 30, FAINT)
    for column, cell in enumerate(cells[0]):
        pen.write(cell.column, left + HEAD + column * (CELL + GAP), LINE // 2, 44)
    for row, row_cells in enumerate(cells):
        _row(pen, explained, row_cells, left, top + row * step)
    return sheet


def _row(pen, explained, cells, left, top):
    target = cells[0].target
    pen.write(titled(target), left, top, 52)
    for line, text in enumerate(_numbers(explained, target), 1):
        pen.write(text, left, top + line * LINE, 38, FAINT)
    if target in explained.model.classes and explained.model.answers == "class":
        share = explained.probabilities[explained.model.classes.index(target)]
        pen.bar(share, left, top + 4 * LINE, HEAD - 3 * GAP)
    for column, cell in enumerate(cells):
        x = left + HEAD + column * (CELL + GAP)
        pen.picture(cell.picture, x, top)
        pen.write(cell.measured, x, top + CELL + 8, 34, FAINT)


def _numbers(explained, target):
    if target == MIXTURE:
        return ["all classes,", "by probability"]
    if target not in explained.model.classes:
        return [f"{explained.model.classes[0]} {explained.logits[0]:+.3f}"]
    index = explained.model.classes.index(target)
    return [f"logit {explained.logits[index]:+.2f}", percent(explained.probabilities[index])]


def _legend(explained):
    answer = titled(explained.predicted) if explained.model.answers == "class" else f"{explained.logits[0]:+.3f}"
    return [
        f"The model says {answer}",
        f"model {explained.model.name}",
        explained.method,
        "Colour is evidence for",
        "the target of the row.",
    ]


class _Pen:
    def __init__(self, sheet):
        self._sheet, self._draw = sheet, ImageDraw.Draw(sheet)

    def write(self, text, x, y, size, ink=INK):
        """At most as wide as the column of names: a long name is written smaller."""
        font = ImageFont.load_default(size)
        width = font.getlength(text)
        if width > HEAD - GAP:
            font = ImageFont.load_default(size * (HEAD - GAP) / width)
        self._draw.text((x, y), text, fill=ink, font=font)

    def picture(self, pixels: np.ndarray, x, y):
        """As large as fits into a square of CELL, its proportions kept."""
        scale = CELL / max(pixels.shape[:2])
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
        self._sheet.paste(resized, (x + (CELL - width) // 2, y + (CELL - height) // 2))

    def ramp(self, colours: np.ndarray, x, y):
        self._sheet.paste(Image.fromarray(colours[None]).resize((CELL, 32), Image.Resampling.NEAREST), (x, y))

    def bar(self, share, x, y, width):
        self._draw.rectangle((x, y, x + width, y + 24), fill=BAR)
        self._draw.rectangle((x, y, x + round(share * width), y + 24), fill=INK)
