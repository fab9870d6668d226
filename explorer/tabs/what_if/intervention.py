"""Interventions: a region of a photo is changed, and the model explains the photo before and after."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from explorer.explanation.device import Device, joined, logits_of
from explorer.explanation.explained import ExplainedPhoto, as_image
from explorer.explanation.grid import Cell, coloured, ground_of
from explorer.explanation.service import ExplanationService, Progress
from explorer.photos.edits import POT_COLOURS, repaints
from explorer.photos.examples import Example
from explorer.settings import View

from .change import EDITS, Change
from .regions import region_of


@dataclass(frozen=True)
class Intervention:
    change: Change  # with PREDICTED resolved to the prediction before the change, DEEPEST to a column
    region: np.ndarray  # bool [H, W], over the photo's canvas
    before: ExplainedPhoto
    after: ExplainedPhoto

    @property
    def region_share(self) -> float:
        """The part of the pixels in the region: 0…1."""
        return float(self.region.mean())

    @property
    def changed_share(self) -> float:
        """The part of the pixels that differ: 0…1. A region's edges are soft, so it is not exactly the region."""
        return float((self.before.photo != self.after.photo).any(-1).mean())

    @property
    def peaks(self) -> tuple[float, float]:
        """The strongest evidence for the target at the layer, before and after."""
        target, layer = self.change.target, self.change.layer
        return float(self.before.heat(target, layer).max()), float(self.after.heat(target, layer).max())

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that are compared: those shown before, then those that are shown only after."""
        return tuple(dict.fromkeys((*self.before.shown_classes, *self.after.shown_classes)))

    @property
    def note(self) -> str:
        return joined(self.before.note, self.after.note)

    def noted(self, note: str) -> "Intervention":
        """This intervention, with one more sentence for the visitor."""
        return replace(self, after=self.after.noted(note))

    def report(self) -> dict:
        """The intervention in numbers, ready for JSON."""
        change = self.change
        before, after = (_answer(one, self.classes, peak) for one, peak in zip((self.before, self.after), self.peaks))
        return {
            "model": self.before.model.name,
            "weights": self.before.model.origin,
            "method": self.before.method,
            "target": change.target,
            "layer": change.layer,
            "edit": change.edit,
            "colour": change.colour if change.edit == "repaint" else None,
            "region": {"kind": change.region, "percent": 100 * self.region_share},
            "changed_percent": 100 * self.changed_share,
            "before": before,
            "after": after,
            "change": [_difference(*pair) for pair in zip(before["classes"], after["classes"])],
            "note": self.note,
        }


@dataclass(frozen=True)
class Repainted:
    """The photo with the region in one colour, and what the model answers."""

    colour: str | None  # a key of POT_COLOURS; None: unchanged
    photo: np.ndarray  # [H, W, 3] uint8, as people see it
    logits: list[float]


def intervene(
    service: ExplanationService,
    before: ExplainedPhoto,
    change: Change,
    example: Example | None = None,
    drawn: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Intervention:
    """Apply a change to an explained photo, and explain the result.

    example: the labelled photo that the file is, if it is one. drawn: the region for "brush", bool [H, W].
    Raises ValueError with a sentence for a region that does not exist, or an unknown edit, colour, class or layer.
    """
    change = replace(change, target=before.target(change.target), layer=before.layer(change.layer).column)
    if change.edit not in EDITS:
        raise ValueError(f"There is no edit {change.edit!r}; choose one of {', '.join(EDITS)}.")
    region = region_of(before, change, example, drawn)
    return apply(service, before, change, region, progress)


def apply(
    service: ExplanationService,
    before: ExplainedPhoto,
    change: Change,
    region: np.ndarray,
    progress: Progress | None = None,
) -> Intervention:
    """The intervention on a region that is already known. Raises as `intervene` does."""
    change = replace(change, target=before.target(change.target), layer=before.layer(change.layer).column)
    frame = replace(before.frame, canvas=EDITS[change.edit](before.photo, region, change.colour))
    name, method, target = before.model.name, before.method, change.target
    after = service.explain_frame(frame, name, method, progress=progress, target=target)
    return Intervention(change, region, before, after)


def compare(intervention: Intervention, view: View) -> tuple[Cell, Cell]:
    """The heat before and after for one class at one layer, on one scale: that of the stronger peak."""
    return _pairs(intervention, [intervention.change.target], (intervention.before, intervention.after), view)[0]


def compare_both(
    service: ExplanationService, intervention: Intervention, view: View, progress: Progress | None = None
) -> list[tuple[Cell, Cell]]:
    """The heat before and after for the class that is asked for, and for the one that the answer became, if another.

    On one scale, that of the strongest peak of all.
    """
    before, after, target = intervention.before, intervention.after, intervention.change.target
    became = after.predicted
    if before.model.answers == "number" or became in (before.predicted, target):
        return _pairs(intervention, [target], (before, after), view)
    if became not in before.targets:  # of many classes only the most probable have a row
        name, method = before.model.name, before.method
        before = service.explain_frame(before.frame, name, method, before.note, progress, became)
    return _pairs(intervention, [target, became], (intervention.before, after), view, before)


def _pairs(intervention, targets, pair, view, with_second=None):
    """For each of one or two targets the cells before and after.

    with_second: the photo before, with a row for the second target.
    """
    column = intervention.change.layer
    layer = pair[0].layer(column).name
    rows = [(targets[0], pair), *((target, (with_second, pair[1])) for target in targets[1:])]
    heat = torch.stack([torch.stack([one.heat(target, column) for one in both]) for target, both in rows])
    peaks = heat.amax((-2, -1)).tolist()  # [K, 2], of heat [K, 2, h, w]
    pictures = [coloured(ground_of(one.frame, view), heat, view, "shared") for one in pair]  # each [K, 2, H, W, 3]

    def cell(row, when):
        peak = peaks[row][when]
        return Cell(targets[row], layer, column, pictures[when][row, when], peak, empty=peak <= 0)

    return [(cell(row, 0), cell(row, 1)) for row in range(len(targets))]


def repaint_in_every_colour(
    device: Device, explained: ExplainedPhoto, region: np.ndarray
) -> tuple[tuple[Repainted, ...], str]:
    """The photo unchanged, then repainted in each of POT_COLOURS, with logits of one forward pass for all.

    And a note: see `Device.ask`.
    """
    colours = (None, *POT_COLOURS)
    photos = [explained.photo, *repaints(explained.photo, region, POT_COLOURS.values())]
    frames = [replace(explained.frame, canvas=photo) for photo in photos]
    batch = torch.cat([as_image(explained.model, frame) for frame in frames])  # [5, 3, h, w]
    logits, note = device.ask(explained.model.name, partial(logits_of, images=batch))  # [5, N]
    shown = [explained.frame.shown(photo) for photo in photos]
    return tuple(map(Repainted, colours, shown, logits.tolist())), note


def _answer(explained, classes, peak):
    entries = [explained.entry(name) for name in classes]
    return {"predicted": explained.predicted, "classes": entries, "peak": peak, "empty": peak <= 0}


def _difference(before, after):
    numbers = {key: None if before[key] is None else after[key] - before[key] for key in ("logit", "probability")}
    return {"name": before["name"], **numbers}
