"""What a method may ask at one layer: its activation, its gradient, and the model once more with something changed."""

import copy
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from .gradients import gradients
from .memory import in_halves
from .recording import Layer, logits_of, outputs_with, record
from .replica import replicate
from .targets import Target, cotangents, scores


class Cancelled(Exception):
    """The caller said stop. Nothing was left behind."""


class Meter:
    """Counts forward passes for the caller, who may stop them."""

    def __init__(self, tell: Callable[[float], bool | None] | None, images: int):
        self._tell, self._images, self._done, self.total = tell, images, 0, None

    def expect(self, passes_per_image: int):
        self.total = self._images * passes_per_image

    def count(self, passes: int):
        self._done += passes
        if self._tell is not None and self._tell(min(1.0, self._done / self.total)) is False:
            raise Cancelled("stopped by the caller")


class Run:
    """One forward pass of the model over some images, and what can be asked of it. Gradients are taken when first asked for."""

    def __init__(
        self,
        model: nn.Module,
        layers: tuple[Layer, ...],
        images: Tensor,
        targets: tuple[Target, ...],
        reshape,
        meter: Meter,
        batch: int,
    ):
        self.model, self.layers, self.images, self.targets = model, layers, images, targets
        self.reshape, self.meter, self.batch = reshape, meter, batch
        with torch.enable_grad():
            self._recording = record(model, layers, images)
        self.outputs = self._recording.outputs.detach()  # [B, N]
        meter.expect(sum(self.activation(index).shape[1] for index in range(len(layers))))

    def groups(self, limit: int) -> list[tuple[Target, ...]]:
        """The targets in groups whose gradients take at most `limit` bytes together (one target at least)."""
        per_target = sum(activation.numel() * activation.element_size() for activation in self._recording.activations)
        size = max(1, limit // per_target)
        return [self.targets[start : start + size] for start in range(0, len(self.targets), size)]

    def about(self, targets: tuple[Target, ...]) -> "Run":
        """This run, asked for some of its targets only; their gradients go when it goes."""
        group = copy.copy(self)
        group.targets = targets
        return group

    @cached_property
    def cotangents(self) -> Tensor:
        return cotangents(self.outputs, self.targets)  # [K, B, N]

    @cached_property
    def _gradients(self):
        return gradients(self._recording, self.cotangents)

    def activation(self, index: int) -> Tensor:
        return self._maps(index, self._recording.activations[index].detach())  # [B, C, h, w]

    def gradient(self, index: int) -> Tensor:
        gradient = self._gradients[index]
        if self.reshape is not None:
            gradient = torch.stack([self.reshape(row) for row in gradient])
        return _precise(gradient)  # [K, B, C, h, w]

    def _maps(self, index, tensor):
        maps = tensor if self.reshape is None else self.reshape(tensor)
        if maps.ndim != 4 or len(maps) != len(self.images):
            raise ValueError(
                f"expected layer {str(self.layers[index])!r} to put out maps [{len(self.images)}, C, h, w], got {list(maps.shape)}: "
                "pass reshape, a function that makes such maps of it"
            )
        return _precise(maps)


def _precise(tensor):
    """At least float32: half precision has too few steps for sums over a map."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


class Reading:
    """A run, read at one of its layers."""

    def __init__(self, run: Run, index: int):
        self._run, self._index = run, index
        self.layer = run.layers[index]
        self.activation = run.activation(index)  # [B, C, h, w]

    @property
    def gradient(self) -> Tensor:
        return self._run.gradient(self._index)  # [K, B, C, h, w]

    @property
    def cotangents(self) -> Tensor:
        return self._run.cotangents  # [K, B, N]

    @property
    def outputs(self) -> Tensor:
        return self._run.outputs  # [B, N]

    @property
    def model(self) -> nn.Module:
        return self._run.model

    @property
    def images(self) -> Tensor:
        return self._run.images  # [B, 3, H, W]

    def scores(self, image: int) -> Tensor:
        """What the targets get for this image: [K, 1]."""
        outputs = self.outputs[image : image + 1]
        return scores(outputs, outputs, self._run.targets).to(self.activation.dtype)

    def scores_with_activations(self, image: int, make: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Scores [K, count] when the layer puts out `make(rows)` [n, C, h, w] in place of its own. Needs maps as the layer makes them."""
        if self._run.reshape is not None:
            raise ValueError(
                "expected a layer that puts out maps: what `reshape` made cannot be put back; use a gradient-weighted method"
            )
        dtype = self._run.images.dtype

        def run(rows):
            photos = self.images[image].expand(len(rows), -1, -1, -1)
            return outputs_with(self.model, self.layer, photos, make(rows).to(dtype))

        return self._in_batches(image, run, count)

    def scores_of_images(self, image: int, make: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Scores [K, count] for other photos `make(rows)` [n, 3, H, W] in place of the image."""
        return self._in_batches(image, lambda rows: self._outputs(make(rows)), count)

    def _outputs(self, photos):
        with torch.no_grad():
            return logits_of(replicate(self.model)(photos.to(self.images.dtype)))

    def _in_batches(self, image, run, count):
        reference = self.outputs[image : image + 1]

        def asked(rows):
            found = scores(run(rows), reference, self._run.targets)
            self._run.meter.count(len(rows))
            return found

        batches = torch.arange(count, device=self.images.device).split(self._run.batch)
        found = [part for rows in batches for part in in_halves(asked, rows)]
        return torch.cat(found, 1).to(self.activation.dtype)
