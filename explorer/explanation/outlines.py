"""Outlines: where a heatmap is hot by a rule, as lines over the photo and a box around the largest part."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

from classifiers import Frame
from gradcam import largest_box, regions

PAPERS_RULE = "15 %"  # of the peak, Grad-CAM's for localisation (Selvaraju et al. 2017, sec. 4.1)
OUTLINES: dict[str, str | float | None] = {  # name → a rule of gradcam.regions
    "none": None,
    PAPERS_RULE: PAPERS_RULE,
    "otsu": "otsu",
    "hottest tenth": 90.0,
}
DETAIL = 8  # fractional bits of a drawn point's place in a picture


@dataclass(frozen=True)
class Outline:
    """Places are in parts of the photo's width and height, as people see it."""

    lines: tuple[np.ndarray, ...]  # closed, float [points, 2] as (x, y), along the region's edges
    box: tuple[float, float, float, float] | None  # left, top, right, bottom of the largest part; None without evidence

    @property
    def box_line(self) -> np.ndarray:
        """The box as a closed line, [4, 2] as (x, y); [0, 2] without evidence."""
        if self.box is None:
            return np.empty((0, 2))
        left, top, right, bottom = self.box
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def outline(heat: Tensor, rule: str, frame: Frame) -> Outline:
    """Of a heatmap over the network's input [h, w]; only what is photo counts, not bars.

    rule: a key of OUTLINES but "none". Raises ValueError for another.
    """
    found = _found(heat, rule, frame)
    lines = tuple(_in_photo(line, frame) for line in edges(found.mask.numpy()))
    return Outline(lines, _box(found, frame))


def hot_box(heat: Tensor, frame: Frame) -> tuple[float, float, float, float] | None:
    """The box of `outline` by PAPERS_RULE, without its lines, in a fifth of the time."""
    box = largest_box(_without_bars(heat, frame), PAPERS_RULE)
    return box and _parts_of_photo(box, frame)


def drawn(picture: np.ndarray, outline: Outline) -> np.ndarray:
    """A copy of a picture of the photo [H, W, 3] uint8 with the outline in white, edged in black."""
    picture = np.array(picture, order="C")
    places = [line * picture.shape[1::-1] - 0.5 for line in (*outline.lines, outline.box_line)]  # of pixels' middles
    lines = [np.rint(place * 2**DETAIL).astype(np.int32) for place in places if len(place)]
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.polylines(picture, lines, True, colour, width, cv2.LINE_AA, DETAIL)
    return picture


def edges(mask: np.ndarray) -> Iterator[np.ndarray]:
    """The closed lines along a mask's pixels [H, W], holes included: float [points, 2] as (x, y), in pixels.

    Contours run through the middles of pixels; in a mask enlarged threefold these lie a sixth of a pixel from edges.
    """
    large = cv2.resize(mask.astype(np.uint8), None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        smooth = cv2.approxPolyDP(contour, 1.5, True)[:, 0]  # half a pixel of the mask: without the pixels' steps
        yield (smooth + 0.5) / 3


def _found(heat, name, frame):
    """The regions of the part of the input that is photo."""
    rule = OUTLINES.get(name)
    if rule is None:
        raise ValueError(f"There is no outline {name!r}; choose one of {', '.join(OUTLINES)}.")
    return regions(_without_bars(heat, frame), rule)


def _without_bars(heat, frame):
    inner, seen = frame.explained, frame.seen
    rows = slice(inner.top - seen.top, inner.bottom - seen.top)
    return heat[rows, inner.left - seen.left : inner.right - seen.left]


def _in_photo(places, frame):
    """Places [points, 2] in pixels of the part that the network sees, in parts of the photo's width and height."""
    photo, inner = frame.photo, frame.explained
    start = (inner.left - photo.left, inner.top - photo.top)
    return (np.asarray(places) + start) / (photo.right - photo.left, photo.bottom - photo.top)


def _box(found, frame):
    return _parts_of_photo(found.boxes[0], frame) if found.boxes else None


def _parts_of_photo(box, frame):
    (left, top), (right, bottom) = _in_photo(np.reshape(box, (2, 2)), frame).tolist()
    return left, top, right, bottom
