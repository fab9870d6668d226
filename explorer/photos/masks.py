"""Regions of a photo: the parts that an exact mask names, the hottest pixels of a heatmap, what a visitor drew."""

import base64
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from .decode import fit_square, read_photo

PARTS = ("background", "pot", "plant", "soil")  # their numbers in a mask
PNG_URI = "data:image/png;base64,"
MAX_STROKES = 64_000  # characters; a drawing in two colours takes 20,000, one full of dots 52,000


@lru_cache(maxsize=256)  # a mask is 64 kB, and an audit asks for every one of them several times
def read_mask(file: Path) -> np.ndarray:
    """The parts of an example, [H, W] uint8: an index into PARTS for every pixel. Raises ValueError for anything else."""
    try:
        with Image.open(file) as picture:
            indexed, parts = picture.mode == "P", np.array(picture)
    except (OSError, SyntaxError):  # Pillow's word for a broken PNG
        raise ValueError(
            f"The mask {file.name} beside the photo cannot be read: replace it, or remove it and draw the region instead."
        ) from None
    if not indexed or parts.max() >= len(PARTS):
        raise ValueError(
            f"The file {file.name} beside the photo is not a mask of the parts {', '.join(PARTS)}: replace it, or remove it and draw the region instead."
        )
    parts.flags.writeable = False  # it is shared
    return parts


def part(parts: np.ndarray, name: str) -> np.ndarray:
    """Where one of PARTS is: bool [H, W]."""
    return parts == PARTS.index(name)


def hottest(heat: np.ndarray, percent: float) -> np.ndarray:
    """The hottest `percent` of the pixels of a heatmap [H, W], of equals the first in reading order: bool [H, W].

    Only pixels with positive evidence count, so the region can be smaller than asked. Raises ValueError where there is none.
    """
    if not isinstance(percent, int | float) or not 0 < percent <= 100:
        raise ValueError("The share of hottest pixels must be a number above 0 and at most 100 percent.")
    heat = np.asarray(heat)
    if not heat.max() > 0:
        raise ValueError(
            "This heatmap holds no positive evidence, so it has no hottest part: choose another class or layer."
        )
    count = max(1, round(heat.size * percent / 100))
    chosen = np.zeros(heat.size, bool)
    chosen[np.argsort(-heat, axis=None, kind="stable")[:count]] = True
    return chosen.reshape(heat.shape) & (heat > 0)


def read_drawing(file, photo, side: int) -> np.ndarray:
    """A picture file, white where the photo's file shall change, as a region of the square that a network sees: bool [side, side].

    It has the photo's proportions, or is itself that square. Raises ValueError (PhotoError) for anything else.
    """
    drawing, seen = read_photo(file), read_photo(photo)
    if drawing.notes:  # transparent or moving: then white may be what nobody painted
        raise ValueError(f"The mask must be a plain picture, white on black. {' '.join(drawing.notes)}")
    height, width = drawing.pixels.shape[:2]
    if height != width and not _alike((drawing.width, drawing.height), (seen.width, seen.height)):
        raise ValueError(
            f"The mask is {drawing.width} × {drawing.height} pixels and the photo {seen.width} × {seen.height}: "
            "give the mask the photo's proportions, or make it square, as the network sees the photo."
        )
    square = fit_square(drawing.pixels, side)
    left, top, right, bottom = square.box
    region = np.zeros((side, side), bool)  # the bars are nobody's drawing
    region[top:bottom, left:right] = square.pixels[top:bottom, left:right].mean(-1) > 127
    return region


def read_strokes(uri: str, side: int) -> np.ndarray:
    """What was drawn on the page, a PNG of side × side as a data URI, white on black: bool [side, side].

    Raises ValueError for anything else.
    """
    try:
        if not uri.startswith(PNG_URI) or len(uri) > MAX_STROKES:
            raise ValueError
        data = base64.b64decode(uri.removeprefix(PNG_URI), validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as drawing:
            if drawing.size != (side, side):  # before anything is decoded
                raise ValueError
            return np.array(drawing.convert("L")) > 127
    except (AttributeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("The drawing did not arrive whole: press “Start again” and draw once more.") from None


def _alike(one, other):
    """Whether two sizes have the same proportions, up to the rounding of a pixel."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)
