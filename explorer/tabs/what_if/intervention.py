"""Interventions: a region of a photo is changed, and the model explains the photo before and after."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from classifiers.photos.decode import read_photo
from explorer.explanation.device import Device, joined, logits_of
from explorer.explanation.explained import ExplainedPhoto, as_image
from explorer.explanation.grid import Cell, coloured, ground_of
from explorer.explanation.service import ExplanationService, Progress
from explorer.photos.edits import POT_COLOURS, blur, fill, repaint
from explorer.photos.examples import Example
from explorer.photos.masks import PARTS, hottest, part, read_mask
from explorer.settings import DEEPEST, PREDICTED, View

MARKED = PARTS[1:]  # regions that an example's mask marks
REGIONS = (*MARKED, "hottest", "brush")
EDITS = {  # name → (photo, region, colour) → edited photo
    "repaint": lambda photo, region, colour: repaint(photo, region, POT_COLOURS.get(colour) or colour),
    "blur": lambda photo, region, colour: blur(photo, region),
    "fill": lambda photo, region, colour: fill(photo, region),
}


@dataclass(frozen=True)
class Change:
    """What is changed, and which heatmap is compared."""

    region: str = "hottest"  # one of REGIONS
    percent: float = 10  # of the pixels; for the region "hottest" only
    target: str = PREDICTED
    layer: str = DEEPEST
    edit: str = "repaint"  # one of EDITS
    colour: str = "red"  # one of POT_COLOURS or "#rrggbb"; for the edit "repaint" only


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
    change = replace(change, target=before.target(change.target), layer=before.column(change.layer))
    if change.edit not in EDITS:
        raise ValueError(f"There is no edit {change.edit!r}; choose one of {', '.join(EDITS)}.")
    region = region_of(before, change, example, drawn)
    frame = replace(before.frame, canvas=EDITS[change.edit](before.photo, region, change.colour))
    name, method, target = before.model.name, before.method, change.target
    after = service.explain_frame(frame, name, method, progress=progress, target=target)
    return Intervention(change, region, before, after)


def region_of(
    explained: ExplainedPhoto, change: Change, example: Example | None, drawn: np.ndarray | None
) -> np.ndarray:
    """The pixels to change: bool [H, W], never empty. Raises ValueError with a sentence where there are none."""
    if change.region in MARKED:
        return _marked_region(explained, change.region, example)
    if change.region == "hottest":
        heat = explained.heat(change.target, change.layer).numpy()
        return explained.frame.place(torch.from_numpy(hottest(heat, change.percent))).numpy()
    if change.region == "brush":
        if drawn is None or not drawn.any():
            raise ValueError("Nothing has been drawn yet: draw over the part of the photo that shall change.")
        return drawn
    raise ValueError(f"There is no region {change.region!r}; choose one of {', '.join(REGIONS)}.")


def compare(intervention: Intervention, view: View) -> tuple[Cell, Cell]:
    """The heat before and after for one class at one layer, on one scale: that of the stronger peak."""
    change, pair, peaks = intervention.change, (intervention.before, intervention.after), intervention.peaks
    layer = intervention.before.layer(change.layer).name
    heat = torch.stack([explained.heat(change.target, change.layer) for explained in pair])  # [2, h, w]

    def cell(index):
        picture = coloured(ground_of(pair[index].frame, view), heat, view, "shared")[index]
        return Cell(change.target, layer, change.layer, picture, peaks[index], empty=peaks[index] <= 0)

    return cell(0), cell(1)


def repaint_in_every_colour(
    device: Device, explained: ExplainedPhoto, region: np.ndarray
) -> tuple[tuple[Repainted, ...], str]:
    """The photo unchanged, then repainted in each of POT_COLOURS, with logits of one forward pass for all.

    And a note: see `Device.ask`.
    """
    colours = (None, *POT_COLOURS)
    photos = [explained.photo, *(repaint(explained.photo, region, colour) for colour in POT_COLOURS.values())]
    frames = [replace(explained.frame, canvas=photo) for photo in photos]
    batch = torch.cat([as_image(explained.model, frame) for frame in frames])  # [5, 3, h, w]
    logits, note = device.ask(explained.model.name, partial(logits_of, images=batch))  # [5, N]
    shown = [explained.frame.shown(photo) for photo in photos]
    return tuple(map(Repainted, colours, shown, logits.tolist())), note


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


def _answer(explained, classes, peak):
    entries = [explained.entry(name) for name in classes]
    return {"predicted": explained.predicted, "classes": entries, "peak": peak, "empty": peak <= 0}


def _difference(before, after):
    numbers = {key: None if before[key] is None else after[key] - before[key] for key in ("logit", "probability")}
    return {"name": before["name"], **numbers}
