"""A sheet to draw on: texts, pictures and rectangles in pixels, black on white whatever the page's theme."""

from dataclasses import dataclass, field
from math import inf

import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK, FAINT = "black", "#555555"


@dataclass(frozen=True)
class Text:
    words: str
    x: float  # of the left end, or of the middle
    y: float  # of the top
    size: int
    ink: str = INK
    centred: bool = False
    most: float = inf  # the width it may take

    @property
    def font(self):
        """Smaller where the words would be too wide; letters do not shrink quite evenly, so perhaps more than once."""
        size, font = float(self.size), ImageFont.load_default(self.size)
        while (width := font.getlength(self.words)) > self.most:
            size *= min(self.most / width, 0.99)
            font = ImageFont.load_default(size)
        return font


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

    def picture(self, pixels: np.ndarray, x: int, y: int, side: int):
        """As large as fits into a square of this side, its proportions kept, in its middle."""
        scale = side / max(pixels.shape[:2])
        height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
        self.pictures.append(Picture(pixels, x + (side - width) // 2, y + (side - height) // 2, width, height))


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
