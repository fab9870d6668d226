"""What a method may ask at one layer: its activation, its gradient, and the model once more with something changed."""

import copy
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from .forward_pass import Layer, logits_of, outputs_with, record
from .gradients import bytes_held, gradients
from .memory import in_halves, ran_out, require
from .model_copy import Lent, Replicas
from .targets import Target, cotangents, scores

# Measured on a U-Net at 256 × 256, batch 4: a batched backward for two and for four targets holds 1.8 and 2.2 times what as many single
# ones hold, and where that is much it is slower than they are (0.6 s a target in place of 0.4).
BATCHED = 2
FEWEST = 4  # targets for which a batched backward is worth its while
PASSES_AT_ONCE = {"cpu": 8}  # further forward passes of Ablation-CAM and Score-CAM that share a batch
AT_ONCE_ELSEWHERE = 32


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
        replicas: Replicas,
        lent: Lent,
        layers: tuple[Layer, ...],
        images: Tensor,
        targets: tuple[Target, ...],
        reshape: Callable[[Tensor], Tensor] | None,
        meter: Meter,
        at_once: int | None = None,
    ):
        self.replicas, self.layers, self.images, self.targets = replicas, layers, images, targets
        self.reshape, self.meter, self.at_once = reshape, meter, at_once
        with torch.enable_grad():
            self._recording = record(lent, layers, images)
        self.outputs = self._recording.outputs.detach()  # [B, N]
        meter.expect(sum(self.activation(index).shape[1] for index in range(len(layers))))

    @property
    def model(self) -> nn.Module:
        return self.replicas.model

    def groups(self, limit: int) -> list[tuple[Target, ...]]:
        """The targets in groups whose backward holds at most `limit` bytes of gradients at a time (one target at least).

        Raises MemoryError where not even the gradients for one target fit.
        """
        held = bytes_held(self._recording) + self.outputs.numel() * self.outputs.element_size()
        what = f"the gradients of {len(self.images)} images for one target"
        require(held, self.images.device, what, "ask for fewer images at a time, or for layers nearer to the outputs")
        size = limit // (BATCHED * held)
        if size < FEWEST:
            size = 1
        return [self.targets[start : start + size] for start in range(0, len(self.targets), size)]

    def about(self, targets: tuple[Target, ...]) -> "Run":
        """This run, asked for some of its targets only; their gradients go when it goes."""
        group = copy.copy(self)
        group.targets = targets
        return group

    @cached_property
    def cotangents(self) -> Tensor:
        return cotangents(self.outputs, self.targets)  # [K, *outputs.shape]

    @cached_property
    def _gradients(self):
        return gradients(self._recording, self.cotangents)

    def activation(self, index: int) -> Tensor:
        return _precise(self._maps(index))  # [B, C, h, w], or with the axes that the images have

    def gradient(self, index: int) -> Tensor:
        gradient = self._gradients[index]
        if gradient is None:
            raise ValueError(
                f"expected the outputs to depend on layer {str(self.layers[index])!r} by operations that have a gradient, but none leads "
                "there: what it puts out is not used, or passes through detach, no_grad, or integer or quantised numbers; "
                "choose a layer behind that"
            )
        if self.reshape is not None:
            gradient = torch.stack([self.reshape(row) for row in gradient])
        return _precise(gradient)  # [K, B, C, h, w]

    def _maps(self, index):
        """What the layer put out, as maps with as many axes as the images have."""
        activation = self._recording.activations[index].detach()
        maps = activation if self.reshape is None else self.reshape(activation)
        if not isinstance(maps, Tensor) or maps.ndim != self.images.ndim or len(maps) != len(self.images):
            axes = {3: "l", 4: "h, w", 5: "d, h, w"}[self.images.ndim]
            got = list(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise ValueError(
                f"expected layer {str(self.layers[index])!r} to put out maps [{len(self.images)}, C, {axes}], got {got}: "
                "pass reshape, a function that makes such maps of it"
            )
        if self._says_nothing_of_its_axes(index) and _channels_last(maps, self.images):
            raise ValueError(
                f"expected layer {str(self.layers[index])!r} to put out maps [B, C, h, w], got {list(maps.shape)}, which looks like "
                "[B, h, w, C]: pass reshape=lambda maps: maps.permute(0, 3, 1, 2), or lambda maps: maps if it is not"
            )
        return maps

    def _says_nothing_of_its_axes(self, index):
        """Whoever passes reshape knows them, and a Conv2d has but one order."""
        return self.reshape is None and type(self.model.get_submodule(self.layers[index].name)) is not nn.Conv2d


def _channels_last(maps, images):
    """Whether an activation's second and third axes have the images' proportions, and its last two have not."""
    height, width = images.shape[-2:]

    def in_proportion(rows, columns):  # up to the rounding of strides
        return abs(rows * width - columns * height) <= max(height, width)

    return maps.ndim == 4 and not in_proportion(*maps.shape[2:]) and in_proportion(*maps.shape[1:3])


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
        return self._scores(self.outputs[image : image + 1], image)

    def scores_with_activations(self, image: int, make: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Scores [K, count] when the layer puts out `make(rows)` [n, C, h, w] in place of its own. Needs maps as the layer makes them."""
        run = self._run
        if run.reshape is not None:
            raise ValueError(
                "expected a layer that puts out maps: what `reshape` made cannot be put back; use a gradient-weighted method"
            )

        def outputs(photos, maps):
            with run.replicas.lend() as lent:
                return outputs_with(lent, self.layer, photos, maps.to(photos.dtype))

        def variants(rows):
            return self.images[image].expand(len(rows), *self.images.shape[1:]), make(rows)

        return self._scores_of(variants, count, image, outputs, (self.images, self.activation))

    def scores_of_images(self, image: int, make: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Scores [K, count] for other photos `make(rows)` [n, 3, H, W] in place of the image."""

        def outputs(photos):
            with torch.no_grad(), self._run.replicas.lend() as lent:
                return logits_of(lent.forward(photos.to(self.images.dtype)))

        return self._scores_of(lambda rows: (make(rows),), count, image, outputs, (self.images,))

    def _scores_of(self, make, count, image, outputs, own):
        """Scores [K, count] of variants of one image, several in a forward pass where that is harmless."""
        run = self._run
        passes = VariantPasses(outputs, own, image, self.outputs[image], mixes=None if run.at_once is None else False)

        def asked(rows):
            found = self._scores(passes.outputs_of(make(rows)), image)
            run.meter.count(len(rows))
            return found

        size = run.at_once or PASSES_AT_ONCE.get(self.images.device.type, AT_ONCE_ELSEWHERE)
        batches = torch.arange(count, device=self.images.device).split(size)
        return torch.cat([part for rows in batches for part in in_halves(asked, rows)], 1)

    def _scores(self, outputs, image):
        return scores(outputs, self.outputs, self._run.targets, image).to(self.activation.dtype)


class VariantPasses:
    """Forward passes about variants of one image: together, unless the network mixes its batch.

    That is found out and not assumed: the image as it is goes before the first variants. If it gets another answer beside them than it
    got before, each variant goes alone, in the place of the image among the images that were there.
    """

    def __init__(
        self, outputs: Callable[..., Tensor], own: tuple[Tensor, ...], image: int, before: Tensor, mixes: bool | None
    ):
        """outputs: runs the model on tensors like `own`, which hold all images; before: what the image got among them.

        mixes: None to find out, at the price of one image more.
        """
        self._outputs, self._own, self._image, self._before = outputs, own, image, before
        self._mixes = mixes

    def outputs_of(self, variants: tuple[Tensor, ...]) -> Tensor:
        """The model's outputs [n, N] for variants [n, ...] of each tensor in `own`."""
        if self._mixes is None:
            together = self._beside_the_image(variants)
            self._mixes = together is None
            if together is not None:
                return together
        return torch.cat([self._alone(parts) for parts in zip(*variants)]) if self._mixes else self._outputs(*variants)

    def _beside_the_image(self, variants):
        """The variants' outputs, or None where their company changes what the image gets."""
        row = slice(self._image, self._image + 1)
        try:
            found = self._outputs(*(torch.cat([own[row], some]) for own, some in zip(self._own, variants)))
        except RuntimeError as error:
            if ran_out(error):
                raise
            return None  # a network that takes only so many at a time, as frames of a film
        if len(found) != 1 + len(variants[0]):
            return None
        reach = self._before.abs().max() * torch.finfo(self._before.dtype).eps ** 0.5
        return found[1:] if (found[0] - self._before).abs().max() <= reach else None

    def _alone(self, parts):
        whole = [own.clone() for own in self._own]
        for tensor, part in zip(whole, parts):
            tensor[self._image] = part
        return self._outputs(*whole)[self._image : self._image + 1]
