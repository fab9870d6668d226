"""What if this part looked otherwise? A region of a photo is changed, the model is asked again, and both answers travel together."""

from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch

from explorer.explanation.device import Device, joined, logits_of
from explorer.explanation.grid import Cell, coloured, ground_of
from explorer.explanation.service import COLUMNS, PREDICTED, ExplainedPhoto, ExplanationService, Progress, as_image
from explorer.photos.decode import read_photo
from explorer.photos.edits import POT_COLOURS, blur, fill, repaint
from explorer.photos.examples import Example
from explorer.photos.masks import PARTS, hottest, part, read_mask
from explorer.settings import View

MARKED = PARTS[1:]  # regions that an example's mask knows
REGIONS = (*MARKED, "hottest", "brush")
EDITS = {  # name → what it makes of (photo, region, colour)
    "repaint": lambda photo, where, colour: repaint(photo, where, POT_COLOURS.get(colour, colour)),
    "blur": lambda photo, where, colour: blur(photo, where),
    "fill": lambda photo, where, colour: fill(photo, where),
}


@dataclass(frozen=True)
class Change:
    """What is changed, and which heat is looked at."""

    region: str = "hottest"  # one of REGIONS
    percent: float = 10  # of the pixels; for the region "hottest" only
    target: str = PREDICTED
    layer: str = COLUMNS[-1]
    edit: str = "repaint"  # one of EDITS
    colour: str = "red"  # one of POT_COLOURS or "#rrggbb"; for the edit "repaint" only


@dataclass(frozen=True)
class Intervention:
    question: Change  # its target is a class: what the model said before, where PREDICTED was asked
    where: np.ndarray  # bool [S, S], the region
    before: ExplainedPhoto
    after: ExplainedPhoto

    @property
    def share(self) -> float:
        """Of the photo's pixels, those in the region: 0…1."""
        return float(self.where.mean())

    @property
    def changed(self) -> float:
        """Of the photo's pixels, those that are not as they were: 0…1. Edges are soft, so it is not quite the region."""
        return float((self.before.photo != self.after.photo).any(-1).mean())

    @property
    def peaks(self) -> tuple[float, float]:
        """The strongest evidence for the target at the layer, before and after."""
        return tuple(explained.heat(self.question.target, self.question.layer).max().item() for explained in self._both)

    @property
    def note(self) -> str:
        return joined(self.before.note, self.after.note)

    def noted(self, note: str) -> "Intervention":
        """This experiment, with one more sentence for the visitor."""
        return replace(self, after=self.after.noted(note))

    @property
    def _both(self):
        return self.before, self.after

    def report(self) -> dict:
        """The experiment in numbers, ready for JSON."""
        asked = asdict(self.question)
        if self.question.edit != "repaint":
            asked["colour"] = None
        before, after = (_answer(explained, peak) for explained, peak in zip(self._both, self.peaks))
        return {
            "model": self.before.model.name,
            "weights": self.before.model.origin,
            "method": self.before.method,
            **{name: asked[name] for name in ("target", "layer", "edit", "colour")},
            "region": {"kind": self.question.region, "percent": 100 * self.share},
            "changed_percent": 100 * self.changed,
            "before": before,
            "after": after,
            "change": [_difference(*pair) for pair in zip(before["classes"], after["classes"])],
            "note": self.note,
        }


@dataclass(frozen=True)
class Painted:
    """The photo with the region in one colour, and what the model answers."""

    colour: str | None  # None: as it is
    photo: np.ndarray  # [S, S, 3] uint8
    logits: list[float]


def intervene(
    service: ExplanationService,
    before: ExplainedPhoto,
    question: Change,
    example: Example | None = None,
    drawn: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Intervention:
    """Change the photo of a study as the question says, and study it again.

    example: the labelled photo that the study's file is, if it is one. drawn: the brush's region, bool [S, S].
    Raises ValueError with a sentence for a region that there is not, or an unknown edit, colour, class or layer.
    """
    question = replace(question, target=before.target(question.target))
    before.layer(question.layer)
    if question.edit not in EDITS:
        raise ValueError(f"There is no edit {question.edit!r}; choose one of {', '.join(EDITS)}.")
    where = region(before, question, example, drawn)
    photo = EDITS[question.edit](before.photo, where, question.colour)
    after = service.explain_square(photo, before.model.name, before.method, progress=progress)
    return Intervention(question, where, before, after)


def region(
    explained: ExplainedPhoto, question: Change, example: Example | None, drawn: np.ndarray | None
) -> np.ndarray:
    """Where the question's region is: bool [S, S], never empty. Raises ValueError with a sentence where it is nowhere."""
    if question.region in MARKED:
        return _marked(explained, question.region, example)
    if question.region == "hottest":
        return hottest(explained.heat(question.target, question.layer).numpy(), question.percent)
    if question.region == "brush":
        if drawn is None or not drawn.any():
            raise ValueError("Nothing has been drawn yet: draw over the part of the photo that shall change.")
        return drawn
    raise ValueError(f"There is no region {question.region!r}; choose one of {', '.join(REGIONS)}.")


def compare(experiment: Intervention, view: View) -> tuple[Cell, Cell]:
    """The heat before and after for the same class at the same layer, coloured on one scale: the stronger peak of the two."""
    target, column = experiment.question.target, experiment.question.layer
    both = experiment.before, experiment.after
    heats = torch.stack([explained.heat(target, column) for explained in both])  # [2, S, S]
    pictures = (
        coloured(ground_of(explained.photo, view), heats, view, "shared")[at] for at, explained in enumerate(both)
    )
    layer = experiment.before.layer(column)
    return tuple(
        Cell(target, layer, column, picture, peak, empty=peak <= 0) for picture, peak in zip(pictures, experiment.peaks)
    )


def in_every_colour(device: Device, explained: ExplainedPhoto, where: np.ndarray) -> tuple[tuple[Painted, ...], str]:
    """The photo as it is, then with the region in each of POT_COLOURS, and the network's answers: one forward pass for all. And a note: see `Device.ask`."""
    colours = (None, *POT_COLOURS)
    photos = [explained.photo, *(repaint(explained.photo, where, colour) for colour in POT_COLOURS.values())]
    logits, note = device.ask(
        explained.model.name, partial(logits_of, images=torch.cat([as_image(photo) for photo in photos]))
    )  # [5, N]
    return tuple(Painted(*answer) for answer in zip(colours, photos, logits.tolist())), note


def _marked(explained, name, example):
    if example is None or example.mask is None:
        raise ValueError(
            f"Nobody has marked the {name} in this photo: choose the hottest part, or draw over the {name} with the brush."
        )
    parts, own = read_mask(example.mask), read_photo(example.file).pixels
    if not parts.shape == own.shape[:2] == explained.photo.shape[:2]:
        raise ValueError(
            f"The {name} is marked for the photo in its own size, and {explained.model.name} sees it at {explained.model.size} × "
            f"{explained.model.size} pixels: choose the hottest part, or draw over the {name} with the brush."
        )
    where = part(parts, name)
    if not where.any():
        raise ValueError(f"The {name} cannot be seen in this photo: choose another region.")
    return where


def _answer(explained, peak):
    told = explained.report()
    return {"predicted": told["predicted"], "classes": told["classes"], "peak": peak, "empty": peak <= 0}


def _difference(before, after):
    numbers = {key: None if before[key] is None else after[key] - before[key] for key in ("logit", "probability")}
    return {"name": before["name"], **numbers}
