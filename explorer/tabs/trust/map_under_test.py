"""What the Trust tab examines: one class of one photo, read at one layer of one model."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor, nn

import potplants
from explorer.explanation.device import at_once
from explorer.explanation.service import MIXTURE, ExplainedPhoto, ExplanationService, as_image, targets_of
from explorer.photos.masks import part, read_mask
from gradcam import Explainer
from gradcam.memory import in_halves

MEASURED_PARTS = ("pot", "plant")
AT_ONCE = 4  # images through the model: on a CPU more of them at once are slower each


@dataclass(frozen=True)
class MapUnderTest:
    explained: ExplainedPhoto
    network: nn.Module | None  # where it computes; None before and after, and on the way to another process
    target: str  # an entry of study.targets, never PREDICTED
    column: str  # an entry of study.COLUMNS
    parts: np.ndarray | None = None  # [S, S], the example's exact mask as the network saw the photo

    def __getstate__(self):
        """What is pickled: all but the network, which stays where it computes."""
        return {**vars(self), "network": None}

    def noted(self, note: str) -> "MapUnderTest":
        """This subject, with one more sentence for the visitor."""
        return replace(self, explained=self.explained.noted(note))

    @property
    def model(self) -> potplants.Model:
        return self.explained.model

    @property
    def layer(self) -> str:
        return self.explained.layer(self.column)

    @property
    def question(self):
        """The target as gradcam spells it."""
        return targets_of(self.model)[self.target]

    @cached_property
    def image(self) -> Tensor:
        return as_image(self.explained.photo)[0]  # [3, S, S]

    @property
    def unmeasurable(self) -> str:
        """Why there is no probability to watch while the photo changes; "" where there is one."""
        if self.model.answers == "number":
            return "Insertion and deletion watch a probability, and this model answers with a number: it gives none."
        if self.target == MIXTURE:
            return (
                "Insertion and deletion watch the probability of one class, and the mixture has none: choose a class."
            )
        return ""

    def probability(self, images: Tensor) -> Tensor:
        """What the model gives the class for each of the images [n, 3, S, S]: [n]. Only where it is not `unmeasurable`."""
        device = next(self.network.parameters()).device
        parts = [part for images in images.to(device).split(AT_ONCE) for part in in_halves(self.network, images)]
        return torch.cat(parts).softmax(1)[:, self.question]

    def heat(self, method: str, network: nn.Module | None = None, layer: str | None = None, progress=None) -> Tensor:
        """The raw heatmap [S, S] by a method, of this network or of another of its shape. Raises ValueError where the method refuses."""
        network = network or self.network
        explainer = Explainer(network, layer or self.layer)
        found = explainer.explain(self.image[None], self.question, method, progress=progress, at_once=at_once(network))
        return found.heatmaps[0, 0, 0]

    def part(self, name: str) -> Tensor | None:
        """Where an example's pot or plant is: bool [S, S]; None where nobody knows, or it is out of sight."""
        there = None if self.parts is None else part(self.parts, name)
        return torch.from_numpy(there) if there is not None and there.any() else None


def map_under_test(
    service: ExplanationService, file, model: str, target: str, column: str, mask=None, progress=None
) -> MapUnderTest:
    """Raises what `Studies.of` raises, and ValueError for an unknown class or layer."""
    explained = service.explain_file(file, model, "Grad-CAM", progress)
    explained.layer(column)
    return MapUnderTest(explained, None, explained.target(target), column, mask and _fitted(read_mask(mask), explained))


def _fitted(parts, explained):
    side = explained.model.size
    return parts if parts.shape == (side, side) else cv2.resize(parts, (side, side), interpolation=cv2.INTER_NEAREST)
