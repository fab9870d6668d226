"""An explained photo: the frame that the model saw, its logits, and the raw evidence of every target at every layer."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from classifiers import Classifier, Frame, Layer
from explorer.settings import PREDICTED
from gradcam import Explanation

from .device import joined
from .outlines import hot_box
from .targets import column_named, many_classes, target_named


@dataclass(frozen=True)
class ExplainedPhoto:
    model: Classifier
    method: str
    frame: Frame  # the photo as the network takes it, and where in it the network looked
    note: str  # how the photo was converted, and where it was computed, if unusual
    targets: tuple[str, ...]  # K names: the rows
    layers: tuple[Layer, ...]  # L, shallow to deep: all of the model's, or the one that CAM reads
    explanation: Explanation  # B = 1; heatmaps over the network's input
    combined: torch.Tensor  # [K, h, w], all L layers in one map

    @property
    def complete(self) -> bool:
        """Whether each of the model's layers has its maps."""
        return len(self.layers) == len(self.model.layers)

    @property
    def gap(self) -> str:
        """A sentence where some layers have no maps, else ""."""
        if self.complete:
            return ""
        read = f"{self.layers[-1].column} ({self.layers[-1].name}), the last layer before the average"
        return f"{self.method} reads only {read}: no other layer has a map, nor have all together."

    @property
    def photo(self) -> np.ndarray:
        """The canvas [H, W, 3] uint8: the photo with bars if it has any, and with what a crop leaves out."""
        return self.frame.canvas

    @property
    def seen(self) -> np.ndarray:
        """The part of the canvas that is the network's input: [h, w, 3] uint8."""
        return self.frame.canvas[self.frame.seen.slices]

    @property
    def shown(self) -> np.ndarray:
        """The photo as people see it, without bars and in its own proportions: [H, W, 3] uint8."""
        return self.frame.shown(self.frame.canvas)

    @property
    def image(self) -> torch.Tensor:
        """The network's input, normalised as it wants it: [3, h, w]."""
        return as_image(self.model, self.frame)[0]

    @property
    def logits(self) -> list[float]:
        return self.explanation.logits[0].tolist()

    @cached_property
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
    def shown_classes(self) -> tuple[str, ...]:
        """The classes whose logits are shown: all of a few, else those that have a row, the most probable first."""
        if not many_classes(self.model):
            return self.model.classes
        return tuple(target for target in self.targets if target in self.model.classes)

    @property
    def evidence(self) -> torch.Tensor:
        """Raw heatmaps over the network's input, [K, L, h, w]."""
        return self.explanation.heatmaps[0]

    @cached_property
    def peaks(self) -> list[list[float]]:
        """The strongest evidence of each map, K lists of L. By numpy: torch's threads wait where the cores are busy."""
        return self.evidence.numpy().max((-2, -1)).tolist()

    def noted(self, note: str) -> "ExplainedPhoto":
        """A copy with one more sentence in its note."""
        return replace(self, note=joined(self.note, note))

    def target(self, name: str) -> str:
        """A target by name; PREDICTED is the class with the largest logit, for a number the first target.

        Raises ValueError, which lists the targets there are.
        """
        if name == PREDICTED:
            return self.predicted if self.model.answers == "class" else self.targets[0]
        return target_named(self.model, name)

    def column(self, name: str) -> str:
        """A layer's name on the page. Raises ValueError, which lists them."""
        return column_named(self.model, name)

    def layer(self, name: str):
        """A layer that has maps, by its column or name. Raises ValueError, which lists the columns."""
        return self.layers[self._index(name)]

    def heat(self, target: str, layer: str) -> torch.Tensor:
        """One raw heatmap over the network's input, [h, w], by the names on the page; the target must have a row."""
        return self.evidence[self.targets.index(self.target(target)), self._index(layer)]

    def entry(self, name: str) -> dict:
        """A class in numbers: name, logit, probability."""
        index = self.model.classes.index(name)
        return {"name": name, "logit": self.logits[index], "probability": self.probabilities[index]}

    def report(self) -> dict:
        """The results as numbers, ready for JSON."""
        boxes = [[hot_box(heat, self.frame) for heat in row] for row in self.evidence]
        return {
            "model": self.model.name,
            "weights": self.model.origin,
            "revision": self.model.revision,
            "method": self.method,
            "predicted": self.predicted,
            "classes": [self.entry(name) for name in self.shown_classes],
            "layers": [layer.name for layer in self.layers],
            "cells": [
                {"target": target, "layer": layer.name, "peak": peak, "empty": peak <= 0, "box": box}
                for target, row, row_boxes in zip(self.targets, self.peaks, boxes)
                for layer, peak, box in zip(self.layers, row, row_boxes)
            ],
            "note": joined(self.note, self.gap),
        }

    def _index(self, name):
        column, read = self.column(name), [layer.column for layer in self.layers]
        if column not in read:
            raise ValueError(f"{self.method} has no map at {column}; choose {read[-1]}, or another method.")
        return read.index(column)


def as_image(model: Classifier, frame: Frame) -> torch.Tensor:
    """What a frame shows the network: [1, 3, h, w]."""
    return model.preprocessing.tensor(frame.canvas, frame.seen)
