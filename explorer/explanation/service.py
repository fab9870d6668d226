"""A study: one photo, explained by one model with one method — kept, so that a new colouring costs no forward pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

import potplants
from explorer.photos.decode import fit_square, pixels_sha256, read_photo
from gradcam import Explainer, Explanation, combine_rescaled, peaks
from potplants.dataset import as_input

from .coalescing import Kept
from .device import Device, at_once, joined
from .own_memory import in_own_memory

MIXTURE = "mixture"
FOR_AND_AGAINST = {"further right": 0, "further left": ("against", 0)}  # what a position can be asked
ALL_LAYERS = "all layers"
PREDICTED = "predicted"  # the class the model says
COLUMNS = (
    "conv1",
    "conv2",
    "conv3",
)  # the layers on the page, shallow to deep: every network here has three convolutions
Progress = Callable[..., None]  # (part done 0…1, task=what takes the time)
Made = TypeVar("Made")
KEPT = 48  # studies in memory, 5 MB each for four classes at three layers


@dataclass(frozen=True)
class ExplainedPhoto:
    model: potplants.Model
    method: str
    photo: np.ndarray  # [S, S, 3] uint8, as the network saw it
    note: (
        str  # how a photo that is not square, or not plain, met the network; and where it was computed, if not as usual
    )
    explanation: Explanation  # B = 1; targets: see `questions`
    combined: torch.Tensor  # [K, S, S], all layers in one map

    @property
    def logits(self) -> list[float]:
        return self.explanation.logits[0].tolist()

    @property
    def probabilities(self) -> list[float | None]:
        """Of each class; a number has none."""
        if self.model.answers == "number":
            return [None]
        return self.explanation.logits[0].double().softmax(0).tolist()

    @property
    def predicted(self) -> str:
        """The class with the largest logit; of a number, its name."""
        return self.model.classes[self.explanation.logits[0].argmax()]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(targets_of(self.model))

    @property
    def evidence(self) -> torch.Tensor:
        """Raw heatmaps, [K, L, S, S]."""
        return self.explanation.heatmaps[0]

    def noted(self, note: str) -> "ExplainedPhoto":
        """This study, with one more sentence for the visitor."""
        return replace(self, note=joined(self.note, note))

    def target(self, name: str) -> str:
        """A target of this study by its name; PREDICTED is the class the model says, of a number more of it.

        Raises ValueError, naming the targets there are.
        """
        if name == PREDICTED:
            return self.predicted if self.model.answers == "class" else self.targets[0]
        if name not in self.targets:
            raise ValueError(
                f"{self.model.name} has no class {name!r}; choose one of {', '.join(target_choices(self.model))}."
            )
        return name

    def layer(self, column: str) -> str:
        """A layer's name in the network by its column on the page. Raises ValueError, naming the columns."""
        if column not in COLUMNS:
            raise ValueError(f"There is no layer {column!r}; choose one of {', '.join(COLUMNS)}.")
        return self.model.layers[COLUMNS.index(column)]

    def heat(self, target: str, column: str) -> torch.Tensor:
        """One raw heatmap, [S, S], by the names on the page."""
        return self.evidence[self.targets.index(self.target(target)), self.model.layers.index(self.layer(column))]

    def report(self) -> dict:
        """The study in numbers, ready for JSON."""
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
    """What is explained of a model: name → gradcam target. Every class and their mixture; for a number, more and less of it."""
    if model.answers == "number":
        return dict(FOR_AND_AGAINST)
    return {**{name: index for index, name in enumerate(model.classes)}, MIXTURE: MIXTURE}


def target_choices(model: potplants.Model | None) -> tuple[str, ...]:
    """What a visitor can have explained of a model; of no model in particular, what a classifier can be asked."""
    return (PREDICTED, *targets_of(model or potplants.MODELS[potplants.FALLBACK]))


def every_target() -> list[str]:
    """Whatever some model can be asked for; a model that cannot says so in its own sentence."""
    return list(dict.fromkeys(target for model in potplants.MODELS.values() for target in target_choices(model)))


def as_image(photo: np.ndarray) -> torch.Tensor:
    """A photo [S, S, 3] uint8 as the networks take it: [1, 3, S, S]."""
    return as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None]


def explain_photo(
    photo: np.ndarray,
    note: str,
    model: potplants.Model,
    network: nn.Module,
    method: str,
    progress: Progress | None = None,
) -> ExplainedPhoto:
    """Explain the square photo [S, S, 3] with the model's network, where that network is."""
    asking = partial(progress or _silent, task=f"{method}: asking the model once for every map")
    targets = list(targets_of(model).values())
    explainer = Explainer(network, model.layers)
    explanation = explainer.explain(as_image(photo), targets, method, progress=asking, at_once=at_once(network))
    return ExplainedPhoto(model, method, photo, note, explanation, combine_rescaled(explanation.heatmaps[0]))


class ExplanationService:
    """The last studies made, found again by what is in the photo. Visitors who ask the same thing wait for one answer."""

    def __init__(self, device: Device | str = "cpu", kept: int = KEPT):
        self.device = device if isinstance(device, Device) else Device(device)
        self._kept = Kept(kept)
        self._lock = Lock()
        self._shared: dict[tuple, Any] = {}

    def shared(self, make: Callable[..., Made], *using) -> Made:
        """What `make` makes of this service and `using`: one for the page and for callers, who so share what it keeps."""
        key = (make, *map(id, using))
        with self._lock:
            if key not in self._shared:
                self._shared[key] = make(self, *using)
            return self._shared[key]

    def explain_file(self, file, name: str, method: str, progress: Progress | None = None) -> ExplainedPhoto:
        """The study of an uploaded file. Raises PhotoError for the file, ValueError, HubError or WeightsError for the model."""
        photo, note = self.prepare(file, name)
        return self.explain_square(photo, name, method, note, progress)

    def explain_square(
        self, photo: np.ndarray, name: str, method: str, note="", progress: Progress | None = None
    ) -> ExplainedPhoto:
        """The study of a photo that is already as the model sees it, [S, S, 3] uint8. Raises as `of` does."""
        model = potplants.find(name)
        key = (pixels_sha256(photo), note, name, method)
        work = partial(explain_photo, photo, note, model, method=method)

        def make(tell):
            self.load_weights(name, tell)
            explained, excuse = self.device.ask(name, work, tell)
            return _to_keep(explained.noted(excuse))

        return self._kept.of(key, make, progress or _silent)

    def prepare(self, file, name: str) -> tuple[np.ndarray, str]:
        """An uploaded file as the named model sees it, [S, S, 3] uint8, and a note on how it was made so."""
        size = potplants.find(name).size
        photo = read_photo(file)
        square = fit_square(photo.pixels, size)
        return square.pixels, " ".join(filter(None, (*photo.notes, square.note)))

    def load_weights(self, name: str, progress: Progress | None = None):
        """Have the named model's weights here. Raises ValueError, HubError or WeightsError."""
        potplants.load(name, partial(progress or _silent, task="fetching the weights from the Hub"))

    def network(self, name: str) -> nn.Module:
        """The named network on the device of these studies. Work that may be too large for a GPU goes through `device.ask` instead."""
        return self.device.network(name)


def _to_keep(explained):
    """The same study, its maps where they may stay for long."""
    explanation = replace(explained.explanation, heatmaps=in_own_memory(explained.explanation.heatmaps))
    return replace(explained, explanation=explanation, combined=in_own_memory(explained.combined))


def _silent(part, task):
    """Nobody wants to know."""
