"""A layer as a CAM method reads it: activation, gradient, and scores of further passes with something changed."""

import copy
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from .arrangement import in_proportion
from .forward_pass import Layer, logits_of, outputs_with, record
from .gradients import bytes_held, gradients
from .memory import in_halves, require
from .model_copy import BorrowedCopy, ModelCopies
from .sources import activations_of, are_right, sources_of_means
from .targets import Target, cotangents, scores
from .variant_passes import PassCounter, VariantPasses, variants_per_batch

# Measured on a U-Net at 256 × 256, batch 4: a batched backward for two and for four targets holds 1.8 and 2.2 times
# what as many single ones hold, and where that is much it is slower than they are (0.6 s a target in place of 0.4).
BATCHED_FACTOR = 2
MIN_BATCHED = 4  # targets from which a batched backward is faster
GRADIENT_BYTES = 256 * 2**20  # gradients that a backward may hold at a time; more targets come in groups


class ForwardPass:
    """One forward pass of the model over some images. Its gradients are computed when first read."""

    def __init__(
        self,
        copies: ModelCopies,
        borrowed: BorrowedCopy,
        layers: tuple[Layer, ...],
        images: Tensor,
        targets: tuple[Target, ...],
        reshape: Callable[[Tensor], Tensor] | None,
        counter: PassCounter,
        at_once: int | None = None,
        order_for: int = 0,
        means: bool = False,
    ):
        self.copies, self.layers, self.images, self.targets = copies, layers, images, targets
        self.reshape, self.counter, self.at_once = reshape, counter, at_once
        self._means = means and not any(map(self.reshape_of, range(len(layers))))
        with torch.enable_grad():
            self._recording = record(borrowed, layers, images, order_for)
        self.outputs = self._recording.outputs.detach().contiguous()  # [B, N]
        counter.expect(sum(self.activation(index).shape[1] for index in range(len(layers))))

    @property
    def model(self) -> nn.Module:
        return self.copies.model

    def groups(self, limit: int) -> list[tuple[Target, ...]]:
        """The targets in groups whose backward holds at most `limit` bytes of gradients at a time; one target at least.

        Raises MemoryError where not even the gradients for one target fit.
        """
        held = self._bytes_of_one(self._sources)
        what = f"the gradients of {len(self.images)} images for one target"
        require(held, self.images.device, what, "ask for fewer images at a time, or for layers nearer to the outputs")
        size = _targets_at_once(limit, held)
        return [self.targets[start : start + size] for start in range(0, len(self.targets), size)]

    def _bytes_of_one(self, sources):
        """What the backward for one target holds."""
        return bytes_held(self._recording.outputs, sources) + self.outputs.numel() * self.outputs.element_size()

    def for_targets(self, targets: tuple[Target, ...]) -> "ForwardPass":
        """This pass with some of its targets only; their gradients are freed with it."""
        group = copy.copy(self)
        group.targets = targets
        return group

    @cached_property
    def cotangents(self) -> Tensor:
        return cotangents(self.outputs, self.targets)  # [K, *outputs.shape]

    @cached_property
    def _sources(self):
        """Where gradients are read."""
        if self._means:
            return sources_of_means(self._recording, len(self.targets))
        return activations_of(self._recording)

    @cached_property
    def _gradients(self):
        return gradients(self._recording.outputs, activations_of(self._recording), self.cotangents)

    def activation(self, index: int) -> Tensor:
        return _at_least_float32(self._maps(index))  # [B, C, h, w], or as many axes as the images have

    def gradient(self, index: int) -> Tensor:
        gradient = self._checked(self._gradients[index], index)
        reshape = self.reshape_of(index)
        if reshape is not None:
            gradient = torch.stack([reshape(row.contiguous()) for row in gradient])
        return _at_least_float32(gradient)  # [K, B, C, h, w]

    def mean_gradient(self, index: int) -> Tensor:
        if self._means:
            return _at_least_float32(self._checked(self._mean_gradients[index], index))  # [K, B, C, 1, 1]
        gradient = self.gradient(index)
        return gradient.mean(tuple(range(3, gradient.ndim)), keepdim=True)

    @cached_property
    def _mean_gradients(self):
        """The means at all layers, [K, B, C, 1, 1] each; where a hook is in between, from the whole gradients."""
        found = gradients(self._recording.outputs, self._sources, self.cotangents)
        if are_right(self._sources, found):
            return _means(self._sources, found)
        plain = activations_of(self._recording)
        size = _targets_at_once(GRADIENT_BYTES, self._bytes_of_one(plain))
        parts = [_means(plain, gradients(self._recording.outputs, plain, some)) for some in self.cotangents.split(size)]
        return [None if layer[0] is None else torch.cat(layer) for layer in zip(*parts)]

    def _checked(self, found, index):
        if found is None:
            raise ValueError(
                f"expected the outputs to depend on layer {str(self.layers[index])!r} by operations that have a "
                "gradient, but none leads there: what it puts out is not used, or passes through detach, no_grad, or "
                "integer or quantised numbers; choose a layer behind that"
            )
        return found

    def reshape_of(self, index: int) -> Callable[[Tensor], Tensor] | None:
        """What makes maps of a layer's output: its own arrangement if that is known, else the caller's function."""
        arrangement = self.layers[index].arrangement
        return self.reshape if arrangement is None else arrangement.as_maps

    def output(self, index: int) -> Tensor:
        """What the layer put out, as the layer arranges it."""
        return self._recording.activations[index].detach()

    def _maps(self, index):
        """What the layer put out, as maps with as many axes as the images have."""
        reshape = self.reshape_of(index)
        maps = self.output(index) if reshape is None else reshape(self.output(index).contiguous())
        if not isinstance(maps, Tensor) or maps.ndim != self.images.ndim or len(maps) != len(self.images):
            axes = {3: "l", 4: "h, w", 5: "d, h, w"}[self.images.ndim]
            got = list(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise ValueError(
                f"expected layer {str(self.layers[index])!r} to put out maps [{len(self.images)}, C, {axes}], "
                f"got {got}: pass reshape, a function that makes such maps of it"
            )
        if self._order_of_axes_is_unknown(index) and _channels_last(maps, self.images):
            raise ValueError(
                f"expected layer {str(self.layers[index])!r} to put out maps [B, C, h, w], got {list(maps.shape)}, "
                "which looks like [B, h, w, C]: pass reshape=lambda maps: maps.permute(0, 3, 1, 2), or "
                "lambda maps: maps if it is not"
            )
        return maps

    def _order_of_axes_is_unknown(self, index):
        """A caller who passes reshape knows it, and a Conv2d has only one order."""
        return (
            self.reshape_of(index) is None and type(self.model.get_submodule(self.layers[index].name)) is not nn.Conv2d
        )


def _channels_last(maps, images):
    """Whether an activation's second and third axes have the images' proportions, and its last two have not."""
    if maps.ndim != 4:
        return False
    _, rows, columns, last = maps.shape
    return not in_proportion((columns, last), images.shape[-2:]) and in_proportion((rows, columns), images.shape[-2:])


def _targets_at_once(limit, held):
    """How many targets a backward takes where one of them holds so many bytes."""
    size = limit // (BATCHED_FACTOR * held)
    return size if size >= MIN_BATCHED else 1


def _means(sources, found):
    return [None if one is None else source.means(_at_least_float32(one)) for source, one in zip(sources, found)]


def _at_least_float32(tensor):
    """Half precision has too few steps for sums over a map."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


class LayerView:
    """A forward pass as seen at one of its layers."""

    def __init__(self, forward_pass: ForwardPass, index: int):
        self._pass, self._index = forward_pass, index
        self.layer = forward_pass.layers[index]
        self.activation = forward_pass.activation(index)  # [B, C, h, w]

    @property
    def gradient(self) -> Tensor:
        return self._pass.gradient(self._index)  # [K, B, C, h, w]

    @property
    def mean_gradient(self) -> Tensor:
        """The gradient's mean over each map; where nothing else is read, it may need no gradient at every place."""
        return self._pass.mean_gradient(self._index)  # [K, B, C, 1, 1]

    @property
    def cotangents(self) -> Tensor:
        return self._pass.cotangents  # [K, B, N]

    @property
    def outputs(self) -> Tensor:
        return self._pass.outputs  # [B, N]

    @property
    def model(self) -> nn.Module:
        return self._pass.model

    @property
    def images(self) -> Tensor:
        return self._pass.images  # [B, 3, H, W]

    def scores(self, image: int) -> Tensor:
        """The targets' scores for this image: [K, 1]."""
        return self._scores(self.outputs[image : image + 1], image)

    def scores_with_activations(self, image: int, make: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Scores [K, count] when the layer puts out `make(rows)` [n, C, h, w] in place of its own.

        Needs maps as the layer makes them, or a layer whose arrangement is known.
        """
        arrangement = self.layer.arrangement
        if arrangement is None and self._pass.reshape is not None:
            raise ValueError(
                "expected a layer that puts out maps: what `reshape` made cannot be put back; "
                "use a gradient-weighted method, or a layer from suggest_layers"
            )
        own = self._pass.output(self._index)  # [B, ...]

        def outputs(photos, output):
            with self._pass.copies.borrow() as borrowed:
                return outputs_with(borrowed, self.layer, photos, output.to(photos.dtype))

        def variants(rows):
            maps = make(rows)
            if arrangement is not None:
                maps = arrangement.put_back(maps, own[image].expand(len(rows), *own.shape[1:]))
            return self.images[image].expand(len(rows), *self.images.shape[1:]), maps

        originals = self.activation if arrangement is None else own
        return self._scores_of(variants, count, image, outputs, (self.images, originals))

    def scores_of_images(self, image: int, make: Callable[[Tensor], Tensor], count: int) -> Tensor:
        """Scores [K, count] for other photos `make(rows)` [n, 3, H, W] in place of the image."""

        def outputs(photos):
            with torch.no_grad(), self._pass.copies.borrow() as borrowed:
                return logits_of(borrowed.forward(photos.to(self.images.dtype)))

        return self._scores_of(lambda rows: (make(rows),), count, image, outputs, (self.images,))

    def _scores_of(self, make, count, image, outputs, originals):
        """Scores [K, count] of variants of one image, several in a forward pass where that is harmless."""
        at_once, device = self._pass.at_once, self.images.device
        mixes = None if at_once is None else False
        passes = VariantPasses(outputs, originals, image, self.outputs[image], mixes)

        def scores_of(rows):
            some = self._scores(passes.outputs_of(make(rows)), image)
            self._pass.counter.count(len(rows))
            return some

        batches = torch.arange(count, device=device).split(variants_per_batch(device, at_once))
        return torch.cat([part for rows in batches for part in in_halves(scores_of, rows)], 1)

    def _scores(self, outputs, image):
        return scores(outputs, self.outputs, self._pass.targets, image).to(self.activation.dtype)
