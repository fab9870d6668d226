"""A study: one photo, explained by one model with one method — kept, so that a new colouring costs no forward pass."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np
import torch

import potplants
from gradcam import Explainer, Explanation, combine_rescaled, peaks
from potplants.dataset import as_input

from .photo import fit_square, read_photo

MIXTURE = "mixture"
ALL_LAYERS = "all layers"
Progress = Callable[..., None]  # (part done 0…1, task=what takes the time)
KEPT = 48  # studies in memory, 5 MB each for four classes at three layers


@dataclass(frozen=True)
class Study:
    model: potplants.Model
    method: str
    photo: np.ndarray  # [S, S, 3] uint8, as the network saw it
    note: str  # how a photo that is not square, or not plain, met the network
    explanation: Explanation  # B = 1; targets: every class, then the mixture
    combined: torch.Tensor  # [K, S, S], all layers in one map

    @property
    def logits(self) -> list[float]:
        return self.explanation.logits[0].tolist()

    @property
    def probabilities(self) -> list[float]:
        return self.explanation.logits[0].double().softmax(0).tolist()

    @property
    def predicted(self) -> str:
        return self.model.classes[self.explanation.logits[0].argmax()]

    @property
    def targets(self) -> tuple[str, ...]:
        return (*self.model.classes, MIXTURE)

    @property
    def evidence(self) -> torch.Tensor:
        """Raw heatmaps, [K, L, S, S]."""
        return self.explanation.heatmaps[0]

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


def make_study(
    photo: np.ndarray, note: str, name: str, method: str, device="cpu", progress: Progress | None = None
) -> Study:
    """Load the named model and explain the square photo [S, S, 3] with it, computing on `device`."""
    progress = progress or (lambda part, task: None)
    network = potplants.load(name, partial(progress, task="fetching the weights from the Hub")).to(device)
    model = potplants.MODELS[name]
    images = as_input(torch.from_numpy(photo)).permute(2, 0, 1)[None]  # [1, 3, S, S]
    targets = [*range(len(model.classes)), MIXTURE]
    asking = partial(progress, task=f"{method}: asking the model once for every map")
    explanation = Explainer(network, model.layers).explain(images, targets, method, progress=asking)
    return Study(model, method, photo, note, explanation, combine_rescaled(explanation.heatmaps[0]))


class Studies:
    """The last studies made, found again by what is in the photo. Visitors who ask the same thing wait for one answer."""

    def __init__(self, device="cpu", kept: int = KEPT):
        self._device = _usable(device)
        self._kept = kept
        self._studies: OrderedDict[tuple, _Pending] = OrderedDict()
        self._lock = Lock()

    def of(self, file, name: str, method: str, progress: Progress | None = None) -> Study:
        """The study of an uploaded file. Raises PhotoError for the file, ValueError, HubError or WeightsError for the model."""
        if name not in potplants.MODELS:
            raise ValueError(f"There is no model {name!r}; choose one of {', '.join(potplants.MODELS)}.")
        photo = read_photo(file)
        square = fit_square(photo.pixels, potplants.MODELS[name].size)
        note = " ".join(filter(None, (*photo.notes, square.note)))
        pending = self._pending((hashlib.sha256(square.pixels.tobytes()).digest(), note, name, method))
        with pending.lock:
            if pending.study is None:
                pending.study = make_study(square.pixels, note, name, method, self._device, progress)
            return pending.study

    def _pending(self, key):
        with self._lock:
            pending = self._studies.setdefault(key, _Pending())
            self._studies.move_to_end(key)
            while len(self._studies) > self._kept:
                self._studies.popitem(last=False)
            return pending


class _Pending:
    """The place where a study will stand; whoever holds the lock makes it."""

    def __init__(self):
        self.lock = Lock()
        self.study: Study | None = None


def _usable(device):
    """The device, once it has shown that it can hold a number."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"The device {device!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return device
