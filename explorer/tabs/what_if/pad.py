"""The pad: what a visitor draws or clicks on the photo, as a region."""

import numpy as np

from classifiers import Frame
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.service import ExplanationService
from explorer.photos.grown import read_points
from explorer.photos.masks import read_strokes
from explorer.server.errors import EXPECTED

from .regions import points_region
from .settings import EditSettings, points_on
from .view import drawing_pad, name_of

PADS = ("brush", "click")  # the regions that are made on it


def pad_of(frame: Frame, settings: EditSettings) -> str:
    """The pad as HTML; "" for a region that needs none."""
    if settings.region not in PADS:
        return ""
    points = points_on(settings.points, name_of(frame.canvas)) if settings.region == "click" else ""
    return _pad(frame, settings.region, points, settings.tolerance)


def pad_after_click(
    service: ExplanationService, file, model: str, points: str, photo: str, tolerance: float
) -> str | None:
    """The pad with the region of the points, without asking the model; None where it is of another photo by now."""
    try:
        frame, _ = service.prepare(file, model)
        return _pad(frame, "click", points, tolerance) if name_of(frame.canvas) == photo else None
    except EXPECTED:  # the answer that is on its way says what is wrong
        return None


def drawn_region(explained: ExplainedPhoto, strokes: dict | None) -> np.ndarray | None:
    """The region drawn on the explained photo; None without strokes, or where they were drawn on another photo."""
    if not strokes or strokes.get("photo") != name_of(explained.photo) or not strokes.get("picture"):
        return None
    height, width = explained.photo.shape[:2]
    return read_strokes(strokes["picture"], width, height)


def _pad(frame, mode, points, tolerance):
    height, width = frame.canvas.shape[:2]
    read = read_points(points, width, height)
    region = points_region(frame, read, tolerance) if read else None
    return drawing_pad(frame, mode, read, region)
