"""The audit: one model asked about many labelled photos — what it said, where it looked, and which part of the photo lies there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
from torch import nn

import potplants
from explorer.explanation.device import at_once
from explorer.photos.examples import Example
from explorer.photos.masks import PARTS
from gradcam import Cancelled, Explainer

from .photo_reader import Fault, Seen, read_ahead

METHOD = "Grad-CAM"
SHOWN = 4  # photos of a class that are shown by each of the two rules
SEED = 0
WORST = "the wrong answers with the highest probability, of equals the first by name"
RANDOM = f"drawn from all photos of the class with the seed {SEED}, before any was read; the same for every model"

Progress = Callable[[float], bool | None]  # told the part done, 0…1; answering False stops the work


@dataclass(frozen=True)
class Answer:
    """What a model said about one photo, and where its last layer found the evidence for that."""

    example: Example
    logits: tuple[float, ...]
    said: str
    probability: float  # of what it said
    peak: float  # the strongest evidence
    area: dict[str, float] | None  # part → its share of the photo; None without a mask that fits
    heat: dict[str, float] | None  # part → its share of the heat; None also where there is no heat
    hottest: tuple[str, ...]  # the parts that the hottest pixels lie on

    @property
    def right(self) -> bool:
        return self.said == self.example.really

    @property
    def empty(self) -> bool:
        return not self.peak > 0


@dataclass(frozen=True)
class Mean:
    """The mean of raw heatmaps; an empty one counts as the nothing that it is."""

    heat: np.ndarray  # [S, S]
    photos: int
    empty: int


@dataclass(frozen=True)
class Sight:
    """A photo, and where the model looked."""

    photo: np.ndarray  # [S, S, 3] uint8
    heat: np.ndarray  # [S, S] raw evidence


@dataclass(frozen=True)
class Audit:
    model: potplants.Model
    answers: tuple[Answer, ...]
    means: dict[str, Mean]  # class → over its photos, for what the model said of each
    worst: dict[str, tuple[Answer, ...]]  # class → by the rule WORST
    random: dict[str, tuple[Answer, ...]]  # class → by the rule RANDOM
    sights: dict[str, Sight]  # of `worst` and `random`, by key
    unread: tuple[Fault, ...]  # photos
    misfits: tuple[Fault, ...]  # masks


def audit(network: nn.Module, model: potplants.Model, examples: Sequence[Example], progress: Progress) -> Audit:
    """Ask a classifier about every photo. Raises Cancelled where `progress` says so, ValueError where no photo can be read."""
    explainer = Explainer(network, model.layers[-1])
    tally = _Tally(model, examples)
    for batch in read_ahead(examples, model.size):
        tally.unread += batch.unread
        tally.misfits += batch.misfits
        if batch.photos:
            explanation = explainer.explain(batch.images(), method=METHOD, at_once=at_once(network, on_cpu=4))
            for photo, logits, heat in zip(batch.photos, explanation.logits, explanation.heatmaps[:, 0, 0].numpy()):
                tally.take(photo, logits, heat)
        tally.done += batch.size
        go_on(progress, tally.done / len(examples))
    if not tally.answers:
        raise ValueError(f"None of the {len(examples)} photos can be read. The first: {tally.unread[0].reason}")
    return tally.result()


def go_on(progress: Progress, part: float):
    """Tell how much is done. Raises Cancelled when the answer is no."""
    if progress(part) is False:
        raise Cancelled("stopped by the caller")


def answer(model: potplants.Model, photo: Seen, logits, heat: np.ndarray) -> Answer:
    """One photo's answer from logits [N] and the raw heatmap [S, S]."""
    peak = float(heat.max())
    masks = (
        None if photo.parts is None else [cv2.compare(photo.parts, number, cv2.CMP_EQ) for number in range(len(PARTS))]
    )
    measured = masks is not None and peak > 0
    said = int(logits.argmax())
    return Answer(
        example=photo.example,
        logits=tuple(logits.tolist()),
        said=model.classes[said],
        probability=float(logits.double().softmax(0)[said]),
        peak=peak,
        area=masks and _shares([cv2.countNonZero(mask) for mask in masks]),
        heat=_shares([_sum(heat, mask) for mask in masks]) if measured else None,
        hottest=tuple(PARTS[part] for part in np.unique(photo.parts[heat == peak])) if measured else (),
    )


def _sum(heat, mask):
    """All heat on the mask: OpenCV sums in double precision, and in half of numpy's time."""
    return cv2.mean(heat, mask)[0] * cv2.countNonZero(mask)


def _shares(held):
    """Part → its share of what all parts hold."""
    return {part: amount / sum(held) for part, amount in zip(PARTS, held)}


def drawn(examples: Sequence[Example], wanted: str) -> list[str]:
    """The keys of a class's photos that are shown by the rule RANDOM."""
    keys = sorted(example.key for example in examples if example.really == wanted)
    return sorted(Random(f"{SEED} {wanted}").sample(keys, min(SHOWN, len(keys))))


def by_confidence(answers: Sequence[Answer]) -> list[Answer]:
    """The order of the rule WORST."""
    return sorted(answers, key=lambda answer: (-answer.probability, answer.example.key))


class _Tally:
    """What is kept of the photos while they go by: their numbers, running sums, and the few that may be shown."""

    def __init__(self, model, examples):
        self._model = model
        self._random = {name: drawn(examples, name) for name in model.classes}
        self._wanted = {key for keys in self._random.values() for key in keys}
        self._worst = {name: [] for name in model.classes}
        self._sums = {name: np.zeros((model.size, model.size)) for name in model.classes}
        self._sights = {}
        self.answers, self.unread, self.misfits, self.done = [], (), (), 0

    def take(self, photo, logits, heat):
        found = answer(self._model, photo, logits, heat)
        self.answers.append(found)
        self._sums[found.example.really] += heat
        if not found.right:
            self._worst[found.example.really] = by_confidence([*self._worst[found.example.really], found])[:SHOWN]
        kept = self._wanted | {worst.example.key for held in self._worst.values() for worst in held}
        if found.example.key in kept:
            self._sights[found.example.key] = Sight(photo.pixels, heat.copy())
            self._sights = {key: sight for key, sight in self._sights.items() if key in kept}

    def result(self):
        by_key = {found.example.key: found for found in self.answers}
        return Audit(
            model=self._model,
            answers=tuple(self.answers),
            means={name: self._mean(name) for name in self._model.classes},
            worst={name: tuple(answers) for name, answers in self._worst.items()},
            random={name: tuple(by_key[key] for key in keys if key in by_key) for name, keys in self._random.items()},
            sights=self._sights,
            unread=self.unread,
            misfits=self.misfits,
        )

    def _mean(self, name):
        of_class = [found for found in self.answers if found.example.really == name]
        return Mean(self._sums[name] / max(1, len(of_class)), len(of_class), sum(found.empty for found in of_class))
