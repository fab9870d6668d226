"""Regions that grow from points a visitor clicks: all that is connected with a point and of its colour."""

import re
from typing import NamedTuple

import cv2
import numpy as np

MAX_POINTS = 40
TOLERANCES = 4, 60  # units of L*a*b*: the least and the most
TOLERANCE = 20  # the default: one click selects most of a pot, see `grow`
LIGHTNESS = 0.5  # how much a difference of lightness counts: shade is on everything, and is no edge
NEARNESS = 40.0  # units of L*a*b* that a shorter side's distance counts as: what is far away is another thing
SMOOTHING = (9, 40, 5)  # of the bilateral filter: its width in pixels, its deviations in levels and in pixels
CLOSED = 5  # pixels: smaller holes, of a highlight or a speck, belong to the region
POINT = re.compile(r"(-?)(\d{1,5}),(\d{1,5})")
EXPECTED = 'The points must be pixels of the photo as it is laid out, such as "120,80 130,90"'


class Point(NamedTuple):
    x: int  # pixels from the left
    y: int  # and from the top
    adds: bool = True  # False: what grows here is taken away


def read_points(text: str, width: int, height: int) -> tuple[Point, ...]:
    """Points of a text such as "120,80 130,90 -40,50", in order; a minus takes away what grows there.

    Raises ValueError, with a sentence, for another text, for more than MAX_POINTS and for a point outside the photo.
    """
    words = text.split() if isinstance(text, str) else []
    if len(words) > MAX_POINTS:
        raise ValueError(f"There can be at most {MAX_POINTS} points: leave some of them out.")
    matches = [POINT.fullmatch(word) for word in words]
    points = tuple(Point(int(match[2]), int(match[3]), not match[1]) for match in matches if match)
    if len(points) < len(matches) or not isinstance(text, str):
        raise ValueError(f"{EXPECTED}, with a minus before those whose region is taken away.")
    if any(point.x >= width or point.y >= height for point in points):
        raise ValueError(f"{EXPECTED}; it is {width} × {height} pixels, and one point lies outside.")
    return points


def grow(photo: np.ndarray, points: tuple[Point, ...], tolerance: float = TOLERANCE) -> np.ndarray:
    """The region of a photo [H, W, 3] uint8 that the points select, one after the other: bool [H, W].

    From a point grows what is connected with it and within the tolerance of its colour, in L*a*b* of the smoothed
    photo, with half the difference of lightness and a little for the distance. One click in the middle of a pot, at
    the default, selects it with an intersection over union of 0.67 (median over the examples; lower quartile 0.52);
    with lightness counted in full it is 0.60 (0.45), without the distance 0.68 (0.36).
    Raises ValueError, with a sentence, for a tolerance that is not among TOLERANCES.
    """
    if not isinstance(tolerance, int | float) or not TOLERANCES[0] <= tolerance <= TOLERANCES[1]:
        raise ValueError("The tolerance must be a number from {} to {}.".format(*TOLERANCES))
    region = np.zeros(photo.shape[:2], np.uint8)
    colours = _colours(photo) if points else None
    for point in points:
        region[_grown(colours, point, tolerance) > 0] = point.adds
    return region > 0


def _colours(photo):
    """The smoothed photo in L*a*b*, its lightness halved: float32 [H, W, 3]."""
    smooth = cv2.bilateralFilter(photo, *SMOOTHING)
    return cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) * np.array([LIGHTNESS, 1, 1], np.float32)


def _grown(colours, point, tolerance):
    height, width = colours.shape[:2]
    x, y, _ = point
    seed = np.median(colours[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].reshape(-1, 3), 0)  # not one odd pixel
    rows, columns = np.ogrid[:height, :width]
    far = NEARNESS * np.hypot(columns - x, rows - y) / min(height, width)
    near = (((colours - seed) ** 2).sum(-1) + far**2 <= tolerance**2).astype(np.uint8)
    near[y, x] = 1
    cv2.floodFill(near, None, (x, y), 2)  # type: ignore[call-overload]  (no mask is needed)
    region = (near == 2).astype(np.uint8)
    edge = CLOSED // 2  # closing needs room beyond the photo's edge, or it would shrink there
    around = cv2.copyMakeBorder(region, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(around, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (CLOSED, CLOSED)))
    return closed[edge:-edge, edge:-edge] if edge else closed
