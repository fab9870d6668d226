"""A region at every hue: what the model says of a photo while the region's colour turns through all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor, nn

from classifiers import Classifier
from classifiers.photos.decode import pixels_sha256
from explorer.explanation.coalescing import ResultCache
from explorer.explanation.device import at_once, ignore_progress, logits_of
from explorer.explanation.explained import ExplainedPhoto, as_image
from explorer.explanation.service import ExplanationService, Progress
from explorer.photos.colours import STEP, hues
from explorer.photos.edits import repaints

KEPT = 16  # regions whose answers are kept, a few kB each
LINES = 5  # classes whose probabilities are followed, at most, where a model has very many


@dataclass(frozen=True)
class Flip:
    """Two neighbouring hues between which the answer changes."""

    before: int  # degrees
    after: int  # the next ones
    was: str  # a class
    becomes: str


@dataclass(frozen=True)
class Turned:
    """What a model says of one region at every hue."""

    model: Classifier
    logits: Tensor  # [HUES, N]
    note: str = ""  # where it was computed, if unusual

    @cached_property
    def probabilities(self) -> Tensor | None:
        """[HUES, N]; None of a model that answers with a number."""
        return self.logits.double().softmax(1) if self.model.answers == "class" else None

    @cached_property
    def predicted(self) -> tuple[str, ...]:
        """The class with the largest logit at each hue."""
        return tuple(self.model.classes[index] for index in self.logits.argmax(1).tolist())

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Every change of the answer between neighbours, around the circle from 0°; a number's has none."""
        if self.model.answers == "number":
            return ()
        following = (*self.predicted[1:], self.predicted[0])
        changes = enumerate(zip(self.predicted, following))
        return tuple(
            Flip(STEP * step, STEP * (step + 1) % 360, was, becomes)
            for step, (was, becomes) in changes
            if was != becomes
        )

    def followed(self, first: tuple[str, ...]) -> tuple[str, ...]:
        """The classes worth following: those that are named first, then those predicted at the most hues."""
        answers = sorted(set(self.predicted), key=lambda name: -self.predicted.count(name))
        return tuple(dict.fromkeys((*first, *answers)))[: max(LINES, len(first))]


class Wheel:
    """Answers at every hue, kept for the last regions, so that another colour of the same region asks nothing again."""

    def __init__(self, service: ExplanationService):
        self._service, self._cache = service, ResultCache(KEPT)

    def turn(self, explained: ExplainedPhoto, region: np.ndarray, progress: Progress | None = None) -> Turned:
        """The model's answers with the region, bool [H, W] over the canvas, at every hue: one batch of passes."""

        def make(progress):
            batch = torch.cat(list(_inputs(explained, region)))  # [HUES, 3, h, w]
            name = explained.model.name
            logits, note = self._service.device.ask(name, partial(_in_batches, images=batch), progress)
            return Turned(explained.model, logits, note)

        return self._cache.get(_key(explained, region), make, progress or ignore_progress)

    def known(self, explained: ExplainedPhoto, region: np.ndarray) -> Turned | None:
        """The same where it is there already."""
        return self._cache.peek(_key(explained, region))


def _inputs(explained: ExplainedPhoto, region: np.ndarray) -> Iterator[Tensor]:
    for photo in repaints(explained.photo, region, hues()):
        yield as_image(explained.model, replace(explained.frame, canvas=photo))


def _in_batches(network: nn.Module, images: Tensor, progress: Progress) -> Tensor:
    """The logits of many images, as many at once as the device takes best, so that a visitor can leave in between."""
    logits, size = [], at_once(network)
    for start in range(0, len(images), size):
        progress(start / len(images), task="asking the model at every hue")
        logits.append(logits_of(network, images[start : start + size]))
    return torch.cat(logits)


def _key(explained, region):
    photo = pixels_sha256(explained.photo), explained.frame.seen, explained.model.name, explained.model.revision
    return *photo, digest_of(region)


def digest_of(region: np.ndarray) -> str:
    """A short hash of a region's pixels."""
    return sha256(np.packbits(region).tobytes()).hexdigest()[:16]
