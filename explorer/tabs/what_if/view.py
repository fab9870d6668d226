"""HTML of the tab What if?: both predictions, photos, logits and heatmaps, every colour, the drawing pad."""

import numpy as np

from classifiers.photos.decode import pixels_sha256
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.grid import Cell, colour_stops
from explorer.explanation.targets import MIXTURE
from explorer.photos.edits import POT_COLOURS
from explorer.rendering.templates import render
from explorer.rendering.wording import peak, percent, share_or_none, titled
from explorer.settings import View

from .intervention import Intervention, Repainted

TEMPLATE = "what_if/template.html"
EDIT_WORDS = {"repaint": "repainted {colour}", "blur": "blurred", "fill": "filled with the mean of the rest"}
CAUTION = (
    "An edited photo may be unlike any that the model has seen. "
    "Its answer tells what the model reacts to, not what the plant is."
)
UNCHANGED = 0.05  # a peak whose relative change is smaller is called about the same


def result(intervention: Intervention, cells: tuple[Cell, Cell], repainted: tuple[Repainted, ...], view: View) -> str:
    """All of one intervention, top down: words, photos, logits, heat, every colour."""
    model = intervention.before.model
    title = "Paint every pot" if intervention.change.region == "pot" else "The same part in each pot's colour"
    return render(
        TEMPLATE,
        "result",
        intervention,
        before=answer(model, intervention.before.logits),
        after=answer(model, intervention.after.logits),
        edited=edited(intervention),
        changed=share_or_none(intervention.changed_share),
        caution=CAUTION,
        logits=_logits(intervention),
        heat=_heat(intervention, cells, view),
        title=title,
        repainted=[_repainted(model, photo, repainted[0]) for photo in repainted],
    )


def draw_first() -> str:
    """A hint, in place of the result until something is drawn."""
    return render(TEMPLATE, "draw_first")


def drawing_pad(explained: ExplainedPhoto) -> str:
    """The photo to draw on. The drawing is sent with the photo's name, so that it is used on no other photo."""
    return render(TEMPLATE, "pad", explained.photo, explained.frame.aspect, name_of(explained.photo))


def name_of(photo: np.ndarray) -> str:
    """A short hash of a photo's pixels."""
    return pixels_sha256(photo)[:16]


def edited(intervention: Intervention) -> str:
    """What was done, for the middle of a sentence: "the pot repainted red"."""
    change, share = intervention.change, 100 * intervention.region_share
    regions = {
        "hottest": f"the hottest {share:.3g} % for {titled(change.target)} at {change.layer}",
        "brush": "the part drawn over",
    }
    region = regions.get(change.region, f"the {change.region}")
    return f"{region} {EDIT_WORDS[change.edit].format(colour=change.colour)}"


def answer(model, logits: list[float]) -> str:
    """What a model says, in words: "Baya, 96.0 %", of a number its value."""
    if model.answers == "number":
        return f"{model.classes[0]} {logits[0]:+.3f}"
    scores = np.exp(np.array(logits) - max(logits))
    predicted = int(scores.argmax())
    return f"{titled(model.classes[predicted])}, {percent(scores[predicted] / scores.sum())}"


def peak_words(intervention: Intervention) -> str:
    """How the strongest evidence changed, in a sentence."""
    before, after = intervention.peaks
    target = intervention.change.target
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


def _logits(intervention):
    """Rows of (name, before, after); `predicted` marks the class with the largest logit."""
    before, after = intervention.before, intervention.after
    number = intervention.before.model.answers == "number"

    def entry(explained, name):
        return {**explained.entry(name), "predicted": not number and name == explained.predicted}

    rows = [(name, entry(before, name), entry(after, name)) for name in intervention.classes]
    return {"number": number, "rows": rows, "same": not number and before.predicted == after.predicted}


def _heat(intervention, cells, view):
    return {
        "target": titled(cells[0].target),
        "layer": cells[0].column,
        "cells": list(zip(("before", "after"), cells)),
        "colours": colour_stops(view),
        "hottest": peak(max(intervention.peaks)).removeprefix("peak "),
        "change": peak_words(intervention),
    }


def _repainted(model, repainted, original):
    return {
        "photo": repainted.photo,
        "answer": answer(model, repainted.logits),
        "colour": repainted.colour or "as it is",
        "swatch": POT_COLOURS.get(repainted.colour),
        "differs": model.answers == "class" and np.argmax(repainted.logits) != np.argmax(original.logits),
    }
