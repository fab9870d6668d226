"""Regions of a photo: parts of a segmentation mask, the hottest pixels of a heatmap, what a visitor drew."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from classifiers.photos.decode import read_photo

if TYPE_CHECKING:  # at run time it would bring torch, and photos are read before it
    from classifiers import Frame

PARTS = ("background", "pot", "plant", "soil")  # by index in a mask
PNG_URI = "data:image/png;base64,"
MAX_STROKES = 64_000  # characters; a drawing in two colours takes 20,000, one full of dots 52,000


@lru_cache(maxsize=256)  # a mask is 64 kB, and an audit reads every one several times
def read_mask(file: Path) -> np.ndarray:
    """An example's parts, [H, W] uint8: an index into PARTS for every pixel. Raises ValueError for any other file."""
    try:
        with Image.open(file) as image:
            indexed, parts = image.mode == "P", np.array(image)
    except (OSError, SyntaxError):  # Pillow raises SyntaxError for a broken PNG
        raise ValueError(
            f"The mask {file.name} beside the photo cannot be read: "
            "replace it, or remove it and draw the region instead."
        ) from None
    if not indexed or parts.max() >= len(PARTS):
        raise ValueError(
            f"The file {file.name} beside the photo is not a mask of the parts {', '.join(PARTS)}: "
            "replace it, or remove it and draw the region instead."
        )
    parts.flags.writeable = False  # the cached array is shared
    return parts


def part(parts: np.ndarray, name: str) -> np.ndarray:
    """The pixels of one of PARTS: bool [H, W]."""
    return parts == PARTS.index(name)


def hottest(heat: np.ndarray, percent: float) -> np.ndarray:
    """The hottest `percent` of the pixels of a heatmap [H, W], of equal ones the first in reading order: bool [H, W].

    Only pixels with positive evidence count, so the region can be smaller. Raises ValueError where there are none.
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


def read_drawing(file, photo, frame: Frame) -> np.ndarray:
    """A mask file, white where the photo is to change, over the photo's canvas: bool [H, W].

    The file has the photo's proportions, or the canvas's. Raises ValueError (PhotoError) for others.
    """
    drawing, original = read_photo(file), read_photo(photo)
    if drawing.notes:  # transparent or animated: then white may not have been painted
        raise ValueError(f"The mask must be a plain picture, white on black. {' '.join(drawing.notes)}")
    height, width = frame.canvas.shape[:2]
    left, top, right, bottom = frame.photo
    region = np.zeros((height, width), bool)  # never in the letterbox bars
    size = drawing.width, drawing.height
    if _same_proportions(size, (original.width, original.height)):
        region[frame.photo.slices] = _white(drawing, right - left, bottom - top)
    elif _same_proportions(size, (width, height)):
        region[frame.photo.slices] = _white(drawing, width, height)[frame.photo.slices]
    else:
        raise ValueError(
            f"The mask is {drawing.width} × {drawing.height} pixels and the photo "
            f"{original.width} × {original.height}: "
            f"give the mask the photo's proportions, or {width} × {height}, as the network gets the photo."
        )
    return region


def _white(drawing, width, height):
    """Where a drawing is white, at another size: bool [height, width]."""
    resized = Image.fromarray(drawing.pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized).mean(-1) > 127


def read_strokes(uri: str, width: int, height: int) -> np.ndarray:
    """A region drawn on the page, a PNG of that size as a data URI, white on black: bool [height, width].

    Raises ValueError for anything else.
    """
    try:
        if not uri.startswith(PNG_URI) or len(uri) > MAX_STROKES:
            raise ValueError
        data = base64.b64decode(uri.removeprefix(PNG_URI), validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as drawing:
            if drawing.size != (width, height):  # before anything is decoded
                raise ValueError
            return np.array(drawing.convert("L")) > 127
    except (AttributeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("The drawing did not arrive whole: press “Start again” and draw once more.") from None


def _same_proportions(a, b):
    """Whether two sizes have the same aspect ratio, up to rounding by a pixel."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= max(*a, *b)
