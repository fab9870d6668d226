"""A figure for print: photo, logits and the grid of heatmaps, black on white whatever the page's theme.

It is laid out once, as texts, pictures and rectangles in pixels, and drawn as pixels (PNG, PDF) or as SVG.
"""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import Cell
from explorer.explanation.targets import MIXTURE
from explorer.rendering.templates import render
from explorer.rendering.wording import percent, titled
from explorer.settings import View
from gradcam import colour_table

CELL, GAP, LINE = 512, 24, 64  # pixels: a picture, the space between two, a line of text; 512 at 300 dpi are 43 mm
HEAD = 620  # pixels: the column of class names and logits
INK, FAINT, BAR = "black", "#555555", "#c8c8c8"
HEADING, NAME, NUMBER, SMALL, SMALLEST = 44, 52, 38, 34, 30  # heights of letters in pixels


@dataclass(frozen=True)
class Text:
    words: str
    x: float  # of the left end, or of the middle
    y: float  # of the top
    size: int
    ink: str = INK
    centred: bool = False
    most: int = HEAD - GAP  # the width it may take

    @property
    def font(self):
        """Smaller where the words would be too wide."""
        font = ImageFont.load_default(self.size)
        width = font.getlength(self.words)
        return font if width <= self.most else ImageFont.load_default(self.size * self.most / width)


@dataclass(frozen=True)
class Picture:
    pixels: np.ndarray  # [H, W, 3] uint8
    x: int
    y: int
    width: int
    height: int
    smooth: bool = True  # a photo; else each pixel is a patch of one colour


@dataclass(frozen=True)
class Rectangle:
    x: int
    y: int
    width: int
    height: int
    ink: str


@dataclass
class Layout:
    """A sheet and what lies on it, in the order of drawing."""

    width: int
    height: int
    texts: list[Text] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    rectangles: list[Rectangle] = field(default_factory=list)

    def picture(self, pixels: np.ndarray, x: int, y: int):
        """As large as fits into a square of CELL, its proportions kept, in its middle."""
        scale = CELL / max(pixels.shape[:2])
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        self.pictures.append(Picture(pixels, x + (CELL - width) // 2, y + (CELL - height) // 2, width, height))

    def write(self, words: str, x: float, y: float, size: int, ink: str = INK, centred: bool = False):
        self.texts.append(Text(words, x, y, size, ink, centred))


def layout(explained: ExplainedPhoto, cells: list[list[Cell]], view: View, truth: str | None = None) -> Layout:
    """Photo and colour bar on the left; for each target its name and logit, then its maps over their peaks."""
    rows, columns = len(cells), len(cells[0])
    step = CELL + LINE + GAP
    left, top = CELL + 2 * GAP, 2 * LINE + GAP
    sheet = Layout(left + HEAD + columns * (CELL + GAP) + GAP, top + rows * step + GAP)
    sheet.picture(explained.shown, GAP, top)
    legend, lines = top + CELL + GAP, _legend(explained, truth)
    for line, text in enumerate(lines):
        sheet.texts.append(Text(text, GAP, legend + line * LINE, SMALL, FAINT if line else INK, most=CELL))
    bar = legend + len(lines) * LINE + GAP
    sheet.pictures.append(Picture(colour_table(view.colormap)[None], GAP, bar, CELL, 32, smooth=False))
    sheet.write("no evidence", GAP, bar + 40, SMALLEST, FAINT)
    sheet.write("peak", GAP + CELL - 70, bar + 40, SMALLEST, FAINT)
    for column, cell in enumerate(cells[0]):
        middle = left + HEAD + column * (CELL + GAP) + CELL / 2
        sheet.write(cell.column, middle, LINE // 2, HEADING, centred=True)
    for row, row_cells in enumerate(cells):
        _row(sheet, explained, row_cells, left, top + row * step)
    return sheet


def _row(sheet, explained, cells, left, top):
    target = cells[0].target
    sheet.write(titled(target), left, top, NAME)
    for line, text in enumerate(_numbers(explained, target), 1):
        sheet.write(text, left, top + line * LINE, NUMBER, FAINT)
    if target in explained.model.classes and explained.model.answers == "class":
        share, width = explained.entry(target)["probability"], HEAD - 3 * GAP
        y = top + 3 * LINE
        sheet.rectangles += [Rectangle(left, y, width, 24, BAR), Rectangle(left, y, round(share * width), 24, INK)]
    for column, cell in enumerate(cells):
        x = left + HEAD + column * (CELL + GAP)
        sheet.picture(cell.picture, x, top)
        sheet.write(cell.measured, x + CELL / 2, top + CELL + 8, SMALL, FAINT, centred=True)


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


def as_image(sheet: Layout) -> Image.Image:
    """The layout in pixels, RGB."""
    image = Image.new("RGB", (sheet.width, sheet.height), "white")
    pen = ImageDraw.Draw(image)
    for each in sheet.pictures:
        filter_ = Image.Resampling.BICUBIC if each.smooth else Image.Resampling.NEAREST
        image.paste(Image.fromarray(each.pixels).resize((each.width, each.height), filter_), (each.x, each.y))
    for each in sheet.rectangles:
        pen.rectangle((each.x, each.y, each.x + each.width, each.y + each.height), fill=each.ink)
    for each in sheet.texts:
        font, anchor = each.font, "ma" if each.centred else "la"
        pen.text((each.x, each.y), each.words, fill=each.ink, font=font, anchor=anchor)
    return image


def as_svg(sheet: Layout) -> str:
    """The layout as SVG: text that can be searched and edited, pictures in their own pixels."""
    return render("explain/figure.svg", "sheet", sheet)
