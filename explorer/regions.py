"""Regions of a photo: the parts that an exact mask names, the hottest pixels of a heatmap, a visitor's brush."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

PARTS = ("background", "pot", "plant", "soil")  # their numbers in a mask


@lru_cache(maxsize=256)  # a mask is 64 kB, and an audit asks for every one of them several times
def read_mask(file: Path) -> np.ndarray:
    """The parts of an example, [256, 256] uint8: an index into PARTS for every pixel. Raises ValueError for anything else."""
    try:
        with Image.open(file) as picture:
            parts = np.array(picture)
    except OSError:
        raise ValueError(f"expected the mask {file.name} beside its photo, but it cannot be read") from None
    if picture.mode != "P" or parts.max() >= len(PARTS):
        raise ValueError(f"expected a mask of the parts {', '.join(PARTS)} in {file.name}")
    parts.flags.writeable = False  # it is shared
    return parts


def part(parts: np.ndarray, name: str) -> np.ndarray:
    """Where one of PARTS is: bool [H, W]."""
    return parts == PARTS.index(name)


def hottest(heat: np.ndarray, percent: float) -> np.ndarray:
    """The hottest `percent` of the pixels of a heatmap [H, W], of equals the first in reading order: bool [H, W].

    Only pixels with positive evidence count, so the region can be smaller than asked. Raises ValueError where there is none.
    """
    if not 0 < percent <= 100:
        raise ValueError(f"The share of hottest pixels must lie above 0 and at most at 100 percent, got {percent:g}.")
    heat = np.asarray(heat)
    if not heat.max() > 0:
        raise ValueError("This heatmap holds no positive evidence, so it has no hottest region: choose another class or layer.")
    count = max(1, round(heat.size * percent / 100))
    chosen = np.zeros(heat.size, bool)
    chosen[np.argsort(-heat, axis=None, kind="stable")[:count]] = True
    return chosen.reshape(heat.shape) & (heat > 0)


def painted(strokes: np.ndarray, side: int) -> np.ndarray:
    """A visitor's brush strokes, the alpha channel [h, w] of any size, as a region of the square photo: bool [side, side]."""
    return cv2.resize(np.ascontiguousarray(strokes), (side, side), interpolation=cv2.INTER_AREA) > 127
