"""Explain a photo with one model and one method; results are cached, so that new colours cost no forward pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

import potplants
from classifiers import Preprocessing
from classifiers.photos.decode import pixels_sha256, read_photo
from explorer.settings import COLUMNS, PREDICTED
from gradcam import Explainer, Explanation, combine_rescaled, peaks
from potplants.dataset import as_input

from .coalescing import ResultCache
from .device import Device, at_once, ignore_progress, joined
from .own_memory import in_own_memory

MIXTURE = "mixture"
FOR_AND_AGAINST = {
    "further right": 0,
    "further left": ("against", 0),
}  # the targets of a model that predicts a position
ALL_LAYERS = "all layers"
Progress = Callable[..., None]  # (fraction done 0…1, task=what is being done)
Made = TypeVar("Made")
MAX_CACHED = 48  # explained photos in memory, 5 MB each for four classes at three layers


@dataclass(frozen=True)
class ExplainedPhoto:
    model: potplants.Model
    method: str
    photo: np.ndarray  # [S, S, 3] uint8, as the network saw it
    note: str  # how a photo that is not square or not opaque was converted, and where it was computed, if unusual
    explanation: Explanation  # B = 1; targets: see `targets_of`
    combined: torch.Tensor  # [K, S, S], all layers in one map

    @property
    def logits(self) -> list[float]:
        return self.explanation.logits[0].tolist()

    @property
    def probabilities(self) -> list[float | None]:
        """Of each class; a predicted number has none."""
        if self.model.answers == "number":
            return [None]
        return self.explanation.logits[0].double().softmax(0).tolist()

    @property
    def predicted(self) -> str:
        """The class with the largest logit; for a number, its name."""
        return self.model.classes[self.explanation.logits[0].argmax()]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(targets_of(self.model))

    @property
    def evidence(self) -> torch.Tensor:
        """Raw heatmaps, [K, L, S, S]."""
        return self.explanation.heatmaps[0]

    def noted(self, note: str) -> "ExplainedPhoto":
        """A copy with one more sentence in its note."""
        return replace(self, note=joined(self.note, note))

    def target(self, name: str) -> str:
        """A target by name; PREDICTED is the class with the largest logit, for a number the first target.

        Raises ValueError, which lists the targets there are.
        """
        if name == PREDICTED:
            return self.predicted if self.model.answers == "class" else self.targets[0]
        if name not in self.targets:
            choices = ", ".join(target_choices(self.model))
            raise ValueError(f"{self.model.name} has no class {name!r}; choose one of {choices}.")
        return name

    def layer(self, column: str) -> str:
        """A layer's name in the network by its column on the page. Raises ValueError, which lists the columns."""
        if column not in COLUMNS:
            raise ValueError(f"There is no layer {column!r}; choose one of {', '.join(COLUMNS)}.")
        return self.model.layers[COLUMNS.index(column)]

    def heat(self, target: str, column: str) -> torch.Tensor:
        """One raw heatmap, [S, S], by the names on the page."""
        return self.evidence[self.targets.index(self.target(target)), self.model.layers.index(self.layer(column))]

    def report(self) -> dict:
        """The results as numbers, ready for JSON."""
        strongest = peaks(self.evidence).tolist()  # [K, L]
        return {
            "model": self.model.name,
            "weights": self.model.origin,
            "method": self.method,
            "predicted": self.predicted,
            "classes": [
                {"name": name, "logit": logit, "probability": probability}
                for name, logit, probability in zip(self.model.classes, self.logits, self.probabilities)
            ],
            "layers": list(self.model.layers),
            "cells": [
                {"target": target, "layer": layer, "peak": peak, "empty": peak <= 0}
                for target, row in zip(self.targets, strongest)
                for layer, peak in zip(self.model.layers, row)
            ],
            "note": self.note,
        }


def targets_of(model: potplants.Model) -> dict[str, object]:
    """A model's targets, name → gradcam target: every class and their mixture; for a number, more and less of it."""
    if model.answers == "number":
        return dict(FOR_AND_AGAINST)
    return {**{name: index for index, name in enumerate(model.classes)}, MIXTURE: MIXTURE}


def target_choices(model: potplants.Model | None) -> tuple[str, ...]:
    """The target names to choose from for a model; without one, those of a classifier."""
    return (PREDICTED, *targets_of(model or potplants.MODELS[potplants.FALLBACK]))


def every_target() -> list[str]:
    """The target names of all models; a model without the chosen one refuses it in a sentence of its own."""
    return list(dict.fromkeys(target for model in potplants.MODELS.values() for target in target_choices(model)))


def as_image(photo: np.ndarray) -> torch.Tensor:
    """A photo [S, S, 3] uint8 as network input: [1, 3, S, S]."""
    return as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None]


def explain_photo(
    photo: np.ndarray,
    note: str,
    model: potplants.Model,
    network: nn.Module,
    method: str,
    progress: Progress | None = None,
) -> ExplainedPhoto:
    """Explain the square photo [S, S, 3] with the model's network, on that network's device."""
    report = partial(progress or ignore_progress, task=f"{method}: asking the model once for every map")
    targets = list(targets_of(model).values())
    explainer = _explainer(network, model.layers)
    explanation = explainer.explain(as_image(photo), targets, method, progress=report, at_once=at_once(network))
    return ExplainedPhoto(model, method, photo, note, explanation, combine_rescaled(explanation.heatmaps[0]))


# one per process: an explainer keeps copies of its network, so that the next photo needs 2 ms for one in place of 27
@lru_cache(maxsize=4)
def _explainer(network, layers):
    return Explainer(network, layers)


class ExplanationService:
    """Explains photos and caches the last ones by pixels, model and method; equal concurrent requests share one."""

    def __init__(self, device: Device | str = "cpu", kept: int = MAX_CACHED):
        self.device = device if isinstance(device, Device) else Device(device)
        self._cache = ResultCache(kept)
        self._lock = Lock()
        self._shared: dict[tuple, Any] = {}

    def shared(self, make: Callable[..., Made], *using) -> Made:
        """`make(self, *using)`, made once: so page and API share one object, and with it what it caches."""
        key = (make, *map(id, using))
        with self._lock:
            if key not in self._shared:
                self._shared[key] = make(self, *using)
            return self._shared[key]

    def explain_file(self, file, name: str, method: str, progress: Progress | None = None) -> ExplainedPhoto:
        """Explain an uploaded file. Raises PhotoError for the file; ValueError, HubError or WeightsError: the model."""
        photo, note = self.prepare(file, name)
        return self.explain_square(photo, name, method, note, progress)

    def explain_square(
        self, photo: np.ndarray, name: str, method: str, note="", progress: Progress | None = None
    ) -> ExplainedPhoto:
        """Explain a photo that is already the model's input, [S, S, 3] uint8. Raises as `explain_file` does."""
        model = potplants.find(name)
        key = (pixels_sha256(photo), note, name, method)
        work = partial(explain_photo, photo, note, model, method=method)

        def make(progress):
            self.load_weights(name, progress)
            explained, note = self.device.ask(name, work, progress)
            return _in_own_memory(explained.noted(note))

        return self._cache.get(key, make, progress or ignore_progress)

    def prepare(self, file, name: str) -> tuple[np.ndarray, str]:
        """An uploaded file as input of the named model, [S, S, 3] uint8, and a note on how it was converted."""
        size = potplants.find(name).size
        photo = read_photo(file)
        square = Preprocessing(size, size).frame(photo.pixels)
        return square.canvas, joined(*photo.notes, square.note)

    def load_weights(self, name: str, progress: Progress | None = None):
        """Load, or first download, the named model's weights. Raises ValueError, HubError or WeightsError."""
        potplants.load(name, partial(progress or ignore_progress, task="fetching the weights from the Hub"))

    def network(self, name: str) -> nn.Module:
        """The named network on the device. Work that may be too large for a GPU goes through `device.ask` instead."""
        return self.device.network(name)


def _in_own_memory(explained):
    """A copy for the cache, its maps in memory of their own."""
    heatmaps = in_own_memory(explained.explanation.heatmaps)
    explanation = replace(explained.explanation, heatmaps=heatmaps, maps=())  # the page shows the enlarged ones only
    return replace(explained, explanation=explanation, combined=in_own_memory(explained.combined))
