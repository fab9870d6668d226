"""Explainer: one forward and one batched backward for all targets × all layers."""

import traceback
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from .forward_pass import logits_of, record
from .heatmaps import states, upsample, weighted_sum
from .images import as_batch
from .layer_view import GRADIENT_BYTES, ForwardPass, LayerView
from .layers import find_layers
from .memory import available, in_halves, require
from .memory_order import minds_order
from .methods import METHODS, Method
from .model_copy import ModelCopies
from .targets import Target, as_targets, of_images, with_fixed_callables
from .variant_passes import PassCounter, Progress

SURELY_FITS = 2000  # a forward pass keeps less than so many times the size of its images


@dataclass(frozen=True)
class Explanation:
    """The model's outputs and the heatmaps. Detached tensors, safe to keep, copy and compare."""

    logits: Tensor  # [B, N]           the model's outputs
    targets: tuple[Target, ...]  # K targets        what was explained
    layers: tuple[str, ...]  # L names          where it was read, in the order given (default: shallow to deep)
    heatmaps: Tensor  # [B, K, L, H, W]  evidence: ReLU'd (unless signed), upsampled to the images, NOT normalised
    maps: tuple[Tensor, ...] = ()  # L tensors [B, K, h, w]: the same, each of its layer's own size

    def states(self) -> list[list[list[str]]]:
        """Each map's state: "evidence", "empty", "constant" or "not finite"; nested [B][K][L]."""
        return states(self.heatmaps.flatten(3, -2) if self.heatmaps.ndim > 4 else self.heatmaps[..., None, :])


class Explainer:
    """Explains a model at chosen layers. Threads may share one; it keeps copies of the model (see `ModelCopies`).

    model:   any nn.Module that maps images [B, 3, H, W] to logits [B, N], or to a tuple, dict or ModelOutput that holds
             them. Sequences [B, C, L] and volumes [B, C, D, H, W] are explained alike: heatmaps have the input's axes.
    layers:  names ("conv_layers.6") or modules of the model, (name, call) for a layer that runs several times, or what
             `suggest_layers` gave; None is every Conv2d. The activation of a layer is its output.
    reshape: for layers that do not put out maps, such as a transformer's tokens: a function activation → [B, C, h, w].
             Suggested layers need none: each knows how its output becomes maps.

    Raises ValueError for a layer the model does not have, TypeError for something that is neither name nor module.
    """

    def __init__(self, model: nn.Module, layers=None, reshape: Callable[[Tensor], Tensor] | None = None):
        if not isinstance(model, nn.Module):
            raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")
        if reshape is not None and not callable(reshape):
            raise TypeError(f"expected reshape as a function activation → [B, C, h, w], got {type(reshape).__name__}")
        self.model = model
        self._copies = ModelCopies(model)
        self._layers = find_layers(model, layers)
        self._reshape = reshape
        self._kept: dict[tuple, int] = {}  # kind of image → bytes that a forward pass keeps for one, measured once

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(map(str, self._layers))

    def explain(
        self,
        images: Tensor,
        targets=None,
        method: str = "Grad-CAM",
        *,
        signed: bool = False,
        device="cpu",
        progress: Progress | None = None,
        at_once: int | None = None,
    ) -> Explanation:
        """Explain `images` [B, 3, H, W] for K targets at L layers: heatmaps [B, K, L, H, W] in units of the target.

        targets:  None = each image's predicted class, or one or several of: a class number, ("labels", one for each
                  image), "predicted", "mixture" (Σ pᵢ·logitᵢ, probabilities held constant), ("top", k), ("against", a),
                  ("contrast", a, b), ("finer", a), what tells a from the three classes most like it, or a callable
                  outputs → [B], which sees the outputs of all images.
        method:   a key of METHODS.
        signed:   keep what speaks against the target, below zero, in place of the ReLU.
        device:   where the explanation is wanted; the computation runs where the model is.
        progress: called with the part done, 0…1, by methods that need many forward passes; False stops with Cancelled.
        at_once:  None: all images go through the model together, as they came, since its answer for one may depend on
                  the others. A number says that it does not: so many images, or further forward passes, share a batch,
                  or fewer where a GPU's memory is too small.

        Raises ValueError for an unknown method, class or shape, or a layer without a gradient; TypeError for wrong
        kinds; MemoryError before an allocation that cannot fit. The model is left unchanged.
        """
        chosen, images = _method(method), as_batch(images, self.model)
        normalised, at_once = as_targets(targets, len(images)), _checked(at_once)
        self._require_memory(images, len(normalised), device, at_once)
        settings = _Settings(chosen, signed, device, PassCounter(progress, len(images)), at_once)
        with _errors_without_tensors(), torch.inference_mode(False):  # whatever mode the caller is in
            parts = self._explain_in_batches(images, normalised, settings)
        logits, heatmaps, *maps = map(_joined, zip(*parts))
        return Explanation(logits, normalised, self.layers, heatmaps, tuple(maps))

    def _explain_in_batches(self, images, targets, settings):
        """Outputs [b, N], heatmaps [b, K, L, H, W] and the L layers' maps [b, K, h, w] of each batch."""
        count, at_once = len(images), settings.at_once
        if at_once is not None and at_once < count:
            targets = self._without_callables(images, targets, at_once)

        def explain(rows):
            return self._explain(images[rows.start : rows.stop], of_images(targets, rows), settings)

        if at_once is None:
            return [explain(range(count))]
        batches = [range(count)[start : start + at_once] for start in range(0, count, at_once)]
        return [part for rows in batches for part in in_halves(explain, rows)]

    def _explain(self, images, targets, settings):
        """Outputs [B, N], heatmaps [B, K, L, H, W] and the L layers' maps [B, K, h, w] of one batch."""
        if settings.method.passes != "1" or not self._copies.any_order:
            return self._explain_in_order(images, targets, settings, 0)
        try:
            return self._explain_in_order(images, targets, settings, len(targets))
        except RuntimeError as error:
            if not minds_order(error):
                raise
        self._copies.any_order = False  # a `view` in its forward or backward, as it fits plain images
        return self._explain_in_order(images, targets, settings, 0)

    def _explain_in_order(self, images, targets, settings, order_for):
        with torch.no_grad(), self._copies.borrow() as borrowed:
            forward_pass = ForwardPass(
                *(self._copies, borrowed, self._layers, images, targets),
                *(self._reshape, settings.counter, settings.at_once, order_for, settings.method.means),
            )

            def explain(some):
                return self._maps(forward_pass.for_targets(some), settings)

            if settings.method.passes == "1":
                groups = forward_pass.groups(GRADIENT_BYTES)
                parts = [part for group in groups for part in in_halves(explain, group)]
            else:  # these halve their forward passes; another half of the targets would need them all again
                parts = [explain(targets)]
            maps = [*map(_joined, zip(*parts))]
            heatmaps = _enlarged(maps, images.shape[2:])
            by_image = (part.transpose(0, 1).to(settings.device) for part in (heatmaps, *maps))
            return forward_pass.outputs.to(settings.device), *by_image

    def _maps(self, forward_pass, settings):
        """Each layer's maps for a forward pass's targets: L tensors [K, B, h, w]."""
        views = [LayerView(forward_pass, index) for index in range(len(self._layers))]
        return [_map(view, settings.method.weights, settings.signed) for view in views]

    def _without_callables(self, images, targets, at_once):
        """Targets that depend on no image outside its batch: callables are evaluated on all images' outputs at once."""
        if not any(map(callable, targets)):
            return targets
        with torch.no_grad(), self._copies.borrow() as borrowed:
            outputs = _joined([logits_of(borrowed.forward(part)) for part in images.split(at_once)])
        return with_fixed_callables(outputs, targets)

    def _require_memory(self, images, targets, device, at_once):
        """Raises MemoryError for heatmaps, or a forward pass of all images, that cannot fit."""
        count, layers, size = len(images), len(self._layers), images.shape[2:]
        needed = count * targets * layers * prod(size) * max(4, images.element_size())
        what = f"the heatmaps of {count} images × {targets} targets × {layers} layers at {_times(size)}"
        require(needed, device, what, "ask for fewer images, targets or layers at a time")
        together = images[: at_once or count]
        free = available(images.device)
        if len(together) > 1 and free is not None and together.nbytes * SURELY_FITS > free:
            what = f"the activations of {len(together)} images"
            remedy = "pass at_once, how many images may share a batch, if the model treats each by itself"
            kind = images.shape[1:], images.dtype, images.device
            if kind not in self._kept:
                self._kept[kind] = self._bytes_kept(images[:1])
            require(len(together) * self._kept[kind], images.device, what, remedy)

    def _bytes_kept(self, images):
        """What a forward pass keeps for its backward; 0 where that cannot be measured with these images."""
        kept = {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        weights = {parameter.untyped_storage().data_ptr() for parameter in self.model.parameters()}
        try:
            hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
            with torch.inference_mode(False), torch.enable_grad(), self._copies.borrow() as borrowed, hooks:
                recording = record(borrowed, self._layers, images)
        except Exception:  # perhaps a network that takes a whole batch only: it will raise its own error
            return 0
        del recording
        return sum(size for address, size in kept.items() if address not in weights)


@dataclass(frozen=True)
class _Settings:
    """How one call of `explain` computes."""

    method: Method
    signed: bool
    device: torch.device | str
    counter: PassCounter
    at_once: int | None


def _joined(parts):
    """Parts in one tensor; a single part as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _enlarged(maps, size):
    """Heatmaps [K, B, L, H, W] of the L layers' maps [K, B, h, w]."""

    def enlarge(some):
        return upsample(some, size)[:, :, None]

    layers = [_joined(in_halves(enlarge, one)) for one in maps]
    return layers[0] if len(layers) == 1 else torch.cat(layers, 2)


def _map(view, weights_of, signed):
    """One layer's maps for all targets, of its own size: [K, B, h, w]."""
    evidence = weighted_sum(weights_of(view), view.activation)
    return evidence if signed else evidence.relu()


def _method(name):
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        raise ValueError(f"expected a method out of {', '.join(METHODS)}; got {name!r}") from None


def _checked(at_once):
    if at_once is None or (isinstance(at_once, int) and not isinstance(at_once, bool) and at_once > 0):
        return at_once
    raise ValueError(f"expected at_once as a number of images from 1, or None for all together; got {at_once!r}")


def _times(shape):
    return " × ".join(map(str, shape))


@contextmanager
def _errors_without_tensors():
    """Errors that pass keep no tensors alive: storing one would store the graph of a whole forward pass with it.

    The stack trace stays, and so do the variables of frames that are not this package's.
    """
    try:
        yield
    except BaseException as error:
        for part in _chain(error):
            for frame, _ in traceback.walk_tb(part.__traceback__):
                if frame.f_globals.get("__package__") == __package__:
                    _clear(frame)
        raise


def _chain(error):
    seen = set()
    while error is not None and error not in seen:
        seen.add(error)
        yield error
        error = error.__cause__ or error.__context__


def _clear(frame):
    with suppress(RuntimeError):  # still running: its caller's handler, and this one
        frame.clear()
