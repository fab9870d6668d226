"""HTML of the tab What if?: both predictions, photos, logits and heatmaps, every colour, the drawing pad."""

import numpy as np

from classifiers import Frame
from classifiers.photos.decode import pixels_sha256
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import Cell, colour_stops
from explorer.explanation.outlines import edges
from explorer.explanation.targets import MIXTURE
from explorer.photos.colours import name_of as name_of_colour
from explorer.photos.edits import POT_COLOURS
from explorer.photos.grown import Point
from explorer.rendering.templates import render
from explorer.rendering.wording import peak, percent, share_or_none, titled
from explorer.settings import View

from .hues import digest_of
from .intervention import Intervention, Repainted

TEMPLATE = "what_if/template.html"
EDIT_WORDS = {"repaint": "repainted {colour}", "blur": "blurred", "fill": "filled with the mean of the rest"}
CAUTION = (
    "An edited photo may be unlike any that the model has seen. "
    "Its answer tells what the model reacts to, not what the plant is."
)
UNCHANGED = 0.05  # a peak whose relative change is smaller is called about the same


def result(intervention: Intervention) -> str:
    """What the model said before and after: words, photos, logits."""
    before, after = intervention.before, intervention.after
    return render(
        TEMPLATE,
        "result",
        intervention,
        key=key_of(before, intervention.region),
        cut=cut_of(before.frame, intervention.region),
        before=answer(before.model, before.logits),
        after=answer(before.model, after.logits),
        edited=edited(intervention),
        changed=share_or_none(intervention.changed_share),
        caution=CAUTION,
        logits=_logits(intervention),
    )


def more(
    intervention: Intervention, cells: list[tuple[Cell, Cell]], repainted: tuple[Repainted, ...], view: View
) -> str:
    """The heat on both sides of the change, and the photo in every pot's colour."""
    model = intervention.before.model
    title = "Paint every pot" if intervention.change.region == "pot" else "The same part in each pot's colour"
    photos = [_repainted(model, photo, repainted[0]) for photo in repainted]
    return render(TEMPLATE, "more", pairs(intervention, cells, view), title, photos)


def nothing_yet(mode: str) -> str:
    """In place of the result until something is drawn or clicked."""
    return render(TEMPLATE, "nothing_yet", mode)


def not_offered(reasons: dict[str, str]) -> str:
    """Which parts the photo does not offer, and why; "" where it offers all."""
    return render(TEMPLATE, "not_offered", reasons) if reasons else ""


def drawing_pad(frame: Frame, mode: str, points: tuple[Point, ...] = (), region: np.ndarray | None = None) -> str:
    """The photo to draw or click on; what is done there is sent with its name, so that it is used on no other photo.

    mode: the region "brush" or "click". region: what the points select, bool [H, W], to be outlined.
    """
    outline = [] if region is None else _polygons(region)
    return render(TEMPLATE, "pad", frame.canvas, frame.aspect, name_of(frame.canvas), mode, points, outline)


def _polygons(region):
    """A region's outlines as the points of SVG polygons."""
    return [" ".join(f"{x:.2f},{y:.2f}" for x, y in line) for line in edges(region)]


def name_of(photo: np.ndarray) -> str:
    """A short hash of a photo's pixels."""
    return pixels_sha256(photo)[:16]


def key_of(before: ExplainedPhoto, region: np.ndarray) -> str:
    """A name for a region of a photo, by which scripts know whether what they show is of the same."""
    return f"{name_of(before.photo)[:8]}-{digest_of(region)[:8]}"


def cut_of(frame: Frame, region: np.ndarray) -> tuple[float, float, float]:
    """Where a region begins, has half of its pixels on either side, and ends, in percent of the shown photo's width."""
    shown = frame.shown(np.repeat(255 * region.astype(np.uint8)[..., None], 3, -1))[..., 0] > 127
    columns = shown.sum(0)
    if not columns.any():  # it lies where nothing is shown
        return 0, 50, 100
    filled = np.flatnonzero(columns)
    middle = int(np.searchsorted(np.cumsum(columns), columns.sum() / 2)) + 0.5
    left, right = max(0, filled[0] - 4), min(len(columns), filled[-1] + 5)
    first, half, last = (round(100 * at / len(columns), 1) for at in (left, middle, right))
    return first, half, last


def region_words(intervention: Intervention) -> str:
    """What is changed, for the middle of a sentence: "the pot"."""
    change, share = intervention.change, 100 * intervention.region_share
    regions = {
        "hottest": f"the hottest {share:.3g} % for {titled(change.target)} at {change.layer}",
        "brush": "the part drawn over",
        "click": "the part clicked on",
    }
    return regions.get(change.region, f"the {change.region}")


def edited(intervention: Intervention) -> str:
    """What was done, for the middle of a sentence: "the pot repainted red", "the pot repainted purple (#7a3fb0)"."""
    change = intervention.change
    colour = change.colour if change.colour in POT_COLOURS else f"{name_of_colour(change.colour)} ({change.colour})"
    words = EDIT_WORDS[change.edit]
    return f"{region_words(intervention)} {words.format(colour=colour) if change.edit == 'repaint' else words}"


def answer(model, logits: list[float]) -> str:
    """What a model says, in words: "Baya, 96.0 %", of a number its value."""
    if model.answers == "number":
        return f"{model.classes[0]} {logits[0]:+.3f}"
    scores = np.exp(np.array(logits) - max(logits))
    predicted = int(scores.argmax())
    return f"{titled(model.classes[predicted])}, {percent(scores[predicted] / scores.sum())}"


def peak_words(target: str, before: float, after: float) -> str:
    """How a target's strongest evidence changed, in a sentence."""
    subject = f"The peak for {target if target == MIXTURE else titled(target)}"
    if before <= 0 and after <= 0:
        return f"{subject} is zero before and after: neither map holds evidence for it."
    if after <= 0:
        return f"{subject} falls to zero: no evidence for it is left."
    if before <= 0:
        return f"{subject} rises from zero: there was no evidence for it before."
    ratio = after / before
    if abs(ratio - 1) < UNCHANGED:
        return f"{subject} stays about the same."
    return f"{subject} {'falls' if ratio < 1 else 'rises'} to {ratio:.2g} times what it was."


def signed(logit: float) -> str:
    return f"{logit:+.2f}"


def pairs(intervention: Intervention, cells: list[tuple[Cell, Cell]], view: View, after: str = "after") -> dict:
    """Heat before and after, for each class its two maps and a sentence. after: what the second is called."""
    peaks = [cell.peak or 0 for pair in cells for cell in pair]
    return {
        "layer": cells[0][0].column,
        "pairs": [
            {
                "target": titled(pair[0].target),
                "cells": list(zip(("before", after), pair)),
                "change": peak_words(pair[0].target, pair[0].peak or 0, pair[1].peak or 0),
            }
            for pair in cells
        ],
        "colours": colour_stops(view),
        "hottest": peak(max(peaks)).removeprefix("peak "),
    }


def _logits(intervention):
    """Rows of (name, before, after); `predicted` marks the class with the largest logit."""
    before, after = intervention.before, intervention.after
    number = intervention.before.model.answers == "number"

    def entry(explained, name):
        return {**explained.entry(name), "predicted": not number and name == explained.predicted}

    rows = [(name, entry(before, name), entry(after, name)) for name in intervention.classes]
    return {"number": number, "rows": rows, "same": not number and before.predicted == after.predicted}


def _repainted(model, repainted, original):
    return {
        "photo": repainted.photo,
        "answer": answer(model, repainted.logits),
        "colour": repainted.colour or "as it is",
        "swatch": POT_COLOURS.get(repainted.colour),
        "differs": model.answers == "class" and np.argmax(repainted.logits) != np.argmax(original.logits),
    }
