"""The region of a photo that is changed: a marked part, the hottest pixels, what grows from clicks, a drawing."""

from collections.abc import Collection

import numpy as np
import torch

from classifiers import Frame
from classifiers.photos.decode import read_photo
from explorer.explanation.explained import ExplainedPhoto
from explorer.photos.examples import Example
from explorer.photos.grown import Point, grow, read_points
from explorer.photos.masks import hottest, part, read_mask

from .change import MARKED, REGIONS, Change

OTHERWISE = "hottest"  # the region in place of one that nobody has marked


def region_of(
    explained: ExplainedPhoto, change: Change, example: Example | None, drawn: np.ndarray | None
) -> np.ndarray:
    """The pixels to change: bool [H, W], never empty. Raises ValueError with a sentence where there are none."""
    if change.region in MARKED:
        return _marked_region(explained, change.region, example)
    if change.region == "hottest":
        heat = explained.heat(change.target, change.layer).numpy()
        return explained.frame.place(torch.from_numpy(hottest(heat, change.percent))).numpy()
    if change.region == "click":
        return _clicked_region(explained, change)
    if change.region == "brush":
        if drawn is None or not drawn.any():
            raise ValueError("Nothing has been drawn yet: draw over the part of the photo that shall change.")
        return drawn
    raise ValueError(f"There is no region {change.region!r}; choose one of {', '.join(REGIONS)}.")


def points_region(frame: Frame, points: tuple[Point, ...], tolerance: float) -> np.ndarray:
    """What grows from points of the photo as it is laid out, bool [H, W]: never on its bars, and perhaps nothing.

    Raises ValueError for the tolerance.
    """
    left, top, right, bottom = frame.photo
    within = [point for point in points if left <= point.x < right and top <= point.y < bottom]
    moved = tuple(point._replace(x=point.x - left, y=point.y - top) for point in within)
    region = np.zeros(frame.canvas.shape[:2], bool)
    region[frame.photo.slices] = grow(frame.canvas[frame.photo.slices], moved, tolerance)
    return region


def _clicked_region(explained, change):
    height, width = explained.photo.shape[:2]
    points = read_points(change.points, width, height)
    if not points:
        raise ValueError("The region click needs points of the photo: name at least one, such as 120,80.")
    region = points_region(explained.frame, points, change.tolerance)
    if not region.any():
        raise ValueError("These points select nothing: click on the part of the photo that shall change.")
    return region


def unmarked(example: Example | None) -> dict[str, str]:
    """Those of MARKED that a photo does not offer, each with the reason in a few words."""
    if example is None or example.mask is None:
        return dict.fromkeys(MARKED, "nobody has marked it in this photo")
    try:
        parts = read_mask(example.mask)
    except ValueError:  # told in full to whoever asks for the region
        return dict.fromkeys(MARKED, "the mask beside this photo cannot be read")
    return {name: "it cannot be seen in this photo" for name in MARKED if not part(parts, name).any()}


def settled(region: str, displaced: str, missing: Collection[str]) -> tuple[str, str]:
    """The region to show in place of the chosen one, and the one it displaces, "" for none.

    A part that the photo does not offer gives way to OTHERWISE, and comes back with a photo that offers it, unless
    another region has been chosen meanwhile. missing: see `unmarked`.
    """
    if region in missing:
        return OTHERWISE, displaced or region
    if region != OTHERWISE:
        return region, ""
    if displaced and displaced not in missing:
        return displaced, ""
    return region, displaced


def _marked_region(explained, name, example):
    """The region of that name in the example's mask."""
    instead = f"choose the hottest part, or draw over the {name} with the brush."
    if example is None or example.mask is None:
        raise ValueError(f"Nobody has marked the {name} in this photo: {instead}")
    parts, original = read_mask(example.mask), read_photo(example.file).pixels
    if parts.shape != original.shape[:2]:
        raise ValueError(f"The mask beside this photo is of another size, so it marks no {name}: {instead}")
    region = part(explained.frame.over_canvas(parts), name)
    if not region.any():
        raise ValueError(f"The {name} cannot be seen in this photo: choose another region.")
    return region
