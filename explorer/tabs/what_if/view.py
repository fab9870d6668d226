"""What the tab What if? shows: the answer in words, the photo before and after, the logits, the heat, every colour, the drawing pad."""

import numpy as np

from explorer.explanation.grid import Cell, colour_stops
from explorer.explanation.service import MIXTURE, ExplainedPhoto
from explorer.photos.decode import pixels_sha256
from explorer.photos.edits import POT_COLOURS
from explorer.rendering.templates import render
from explorer.rendering.wording import peak, percent, share_or_none
from explorer.settings import View

from .intervention import Intervention, Painted

TEMPLATE = "what_if/template.html"
EDIT_WORDS = {"repaint": "repainted {colour}", "blur": "blurred", "fill": "filled with the mean of the rest"}
CAUTION = "An edited photo may be unlike any that the model has seen. Its answer tells what the model reacts to, not what the plant is."
STEADY = 0.05  # a peak that moved by less than this share is called about the same


def result(experiment: Intervention, cells: tuple[Cell, Cell], paints: tuple[Painted, ...], view: View) -> str:
    """Everything that follows from one experiment, top down: words, photos, logits, heat, every colour."""
    model = experiment.before.model
    before, after = (answer(model, explained.logits) for explained in (experiment.before, experiment.after))
    title = "Paint every pot" if experiment.question.region == "pot" else "The same part in each pot's colour"
    return render(
        TEMPLATE,
        "result",
        experiment,
        before=before,
        after=after,
        edited=edited(experiment),
        changed=share_or_none(experiment.changed),
        caution=CAUTION,
        logits=_logits(experiment),
        heat=_heat(experiment, cells, view),
        title=title,
        paints=[_painted(model, paint, paints[0]) for paint in paints],
    )


def draw_first() -> str:
    """What stands there until something is drawn."""
    return render(TEMPLATE, "draw_first")


def pad(explained: ExplainedPhoto) -> str:
    """The photo to draw on. The drawing carries the photo's name, so that it is never taken for one on another photo."""
    return render(TEMPLATE, "pad", explained.photo, explained.model.size, name_of(explained.photo))


def name_of(photo: np.ndarray) -> str:
    """A short name for what is in a photo."""
    return pixels_sha256(photo)[:16]


def edited(experiment: Intervention) -> str:
    """What was done, for the middle of a sentence: "the pot repainted red"."""
    asked = experiment.question
    words = {
        "hottest": f"the hottest {100 * experiment.share:.3g} % for {asked.target.capitalize()} at {asked.layer}",
        "brush": "the part drawn over",
    }
    return f"{words.get(asked.region, f'the {asked.region}')} {EDIT_WORDS[asked.edit].format(colour=asked.colour)}"


def answer(model, logits: list[float]) -> str:
    """What a model says, in words: "Baya, 96.0 %", of a number its value."""
    if model.answers == "number":
        return f"{model.classes[0]} {logits[0]:+.3f}"
    scores = np.exp(np.array(logits) - max(logits))
    said = int(scores.argmax())
    return f"{model.classes[said].capitalize()}, {percent(scores[said] / scores.sum())}"


def peak_words(experiment: Intervention) -> str:
    """How the strongest evidence moved, in a sentence."""
    before, after = experiment.peaks
    whose = experiment.question.target
    whose = f"The peak for {whose if whose == MIXTURE else whose.capitalize()}"
    if before <= 0 and after <= 0:
        return f"{whose} is zero before and after: neither map holds evidence for it."
    if after <= 0:
        return f"{whose} falls to zero: no evidence for it is left."
    if before <= 0:
        return f"{whose} rises from zero: there was no evidence for it before."
    ratio = after / before
    if abs(ratio - 1) < STEADY:
        return f"{whose} stays about the same."
    return f"{whose} {'falls' if ratio < 1 else 'rises'} to {ratio:.2g} times what it was."


def _logits(experiment):
    """Rows of (name, before, after); `said` marks what the model says."""
    before, after = (explained.report() for explained in (experiment.before, experiment.after))
    number = experiment.before.model.answers == "number"

    def entry(one, report):
        return {**one, "said": not number and one["name"] == report["predicted"]}

    pairs = zip(before["classes"], after["classes"])
    rows = [(one["name"], entry(one, before), entry(other, after)) for one, other in pairs]
    return {"number": number, "rows": rows, "stays": not number and before["predicted"] == after["predicted"]}


def _heat(experiment, cells, view):
    return {
        "target": cells[0].target.capitalize(),
        "layer": cells[0].column,
        "cells": list(zip(("before", "after"), cells)),
        "colours": colour_stops(view),
        "hottest": peak(max(experiment.peaks)).removeprefix("peak "),
        "moved": peak_words(experiment),
    }


def _painted(model, paint, original):
    return {
        "photo": paint.photo,
        "said": answer(model, paint.logits),
        "colour": paint.colour or "as it is",
        "dot": POT_COLOURS.get(paint.colour),
        "other": model.answers == "class" and np.argmax(paint.logits) != np.argmax(original.logits),
    }
