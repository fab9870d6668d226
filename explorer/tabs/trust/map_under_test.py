"""The heatmap that the tab Trust examines: one target of one photo, at one layer of one model."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from classifiers import Classifier
from explorer.explanation.device import at_once, logits_of
from explorer.explanation.explained import ExplainedPhoto
from explorer.explanation.service import ExplanationService
from explorer.explanation.targets import MIXTURE, targets_of
from explorer.photos.masks import part, read_mask
from gradcam import Explainer, take_apart

MEASURED_PARTS = ("pot", "plant")
AT_ONCE = 4  # images in a forward pass: on a CPU each takes longer in a larger batch


@dataclass(frozen=True)
class MapUnderTest:
    explained: ExplainedPhoto
    network: nn.Module | None  # on the device; None before and after, and while pickled for another process
    target: str  # an entry of explained.targets, never PREDICTED
    column: str  # one of the model's
    parts: np.ndarray | None = None  # [h, w], the example's mask as the network sees the photo

    def __getstate__(self):
        """All but the network, which is not pickled."""
        return {**vars(self), "network": None}

    def noted(self, note: str) -> "MapUnderTest":
        """The same map, with one more sentence for the visitor."""
        return replace(self, explained=self.explained.noted(note))

    @property
    def loaded_network(self) -> nn.Module:
        """The network; only on the device."""
        assert self.network is not None
        return self.network

    @property
    def model(self) -> Classifier:
        return self.explained.model

    @property
    def layer(self) -> str:
        return self.explained.layer(self.column).name

    def layer_inside(self, wrapper: str):
        """The layer as gradcam takes it, of a network that is a wrapper's attribute."""
        readable = self.explained.layer(self.column).readable
        if isinstance(readable, str):
            return f"{wrapper}.{readable}"
        return replace(readable, name=f"{wrapper}.{readable.name}")

    @property
    def question(self):
        """The target as gradcam takes it."""
        return targets_of(self.model)[self.target]

    @cached_property
    def image(self) -> Tensor:
        return self.explained.image  # [3, h, w]

    def plain(self, brightness: float) -> Tensor:
        """A photo of one grey, 0…1, as the network wants it: [3, h, w]."""
        return self.model.preprocessing.normalise(torch.full_like(self.image, brightness))

    @property
    def scale(self) -> float:
        """The input's shorter side in those of 256 pixels, for which lengths in pixels were chosen."""
        return min(self.image.shape[-2:]) / 256

    @cached_property
    def maps(self) -> int:
        """How many maps the layer has. Only with the network."""
        layer = self.explained.layer(self.column).readable
        return len(take_apart(self.loaded_network, layer, self.image, self.question).activation)

    @property
    def unmeasurable(self) -> str:
        """Why there is no probability to measure while the photo changes; "" if there is one."""
        if self.model.answers == "number":
            return "Insertion and deletion watch a probability, and this model answers with a number: it gives none."
        if self.target == MIXTURE:
            return (
                "Insertion and deletion watch the probability of one class, and the mixture has none: choose a class."
            )
        return ""

    def probability(self, images: Tensor) -> Tensor:
        """The class's probability for each of the images [n, 3, h, w]: [n]. Only if it is not `unmeasurable`."""
        class_index = self.question
        assert isinstance(class_index, int)
        logits = [logits_of(self.loaded_network, batch) for batch in images.split(AT_ONCE)]
        return torch.cat(logits).softmax(1)[:, class_index]

    def heat(self, method: str, network: nn.Module | None = None, layer=None, progress=None) -> Tensor:
        """The raw heatmap [h, w] by a method, on this network or another of its shape.

        Raises ValueError if the method does not apply.
        """
        network = network or self.loaded_network
        layer = layer or self.explained.layer(self.column).readable
        explainer, images = Explainer(network, layer), self.image[None]
        explanation = explainer.explain(images, self.question, method, progress=progress, at_once=at_once(network))
        return explanation.heatmaps[0, 0, 0]

    def part(self, name: str) -> Tensor | None:
        """Where an example's pot or plant is: bool [h, w]; None without a mask, or if the part is out of sight."""
        mask = None if self.parts is None else part(self.parts, name)
        return torch.from_numpy(mask) if mask is not None and mask.any() else None


def map_under_test(
    service: ExplanationService, file, model: str, target: str, column: str, mask=None, progress=None
) -> MapUnderTest:
    """Raises what `ExplanationService.explain_file` raises, and ValueError for an unknown target or layer."""
    explained = service.explain_file(file, model, "Grad-CAM", progress, target)
    frame = explained.frame
    parts = mask and frame.over_canvas(read_mask(mask))[frame.seen.slices]
    return MapUnderTest(explained, None, explained.target(target), explained.column(column), parts)
