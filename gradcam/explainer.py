"""The one computation: one forward, one batched backward, all targets × all layers."""

import traceback
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from .forward_pass import logits_of, record
from .heatmaps import states, upsample, weighted_sum
from .images import as_batch
from .layer_view import Meter, Reading, Run
from .layers import find_layers
from .memory import available, in_halves, require
from .methods import METHODS
from .model_copy import Replicas
from .targets import Target, as_targets, of_images, with_fixed_callables

GRADIENT_BYTES = 256 * 2**20  # gradients that a backward may hold at a time; more targets come in groups
SURELY_FITS = 2000  # a forward pass keeps less than so many times the size of its images


@dataclass(frozen=True)
class Explanation:
    """What the model said, and where it found its evidence. Detached tensors, safe to keep, copy and compare."""

    logits: Tensor  # [B, N]           what the model said
    targets: tuple[Target, ...]  # K targets        what was explained
    layers: tuple[str, ...]  # L names          where it was read, in the order asked for (default: shallow to deep)
    heatmaps: Tensor  # [B, K, L, H, W]  evidence: ReLU'd (unless signed), upsampled to the images, NOT normalised

    def states(self) -> list[list[list[str]]]:
        """What each map is, in a word: "evidence", "empty", "constant" or "not finite"; nested [B][K][L]."""
        return states(self.heatmaps.flatten(3, -2) if self.heatmaps.ndim > 4 else self.heatmaps[..., None, :])


class Explainer:
    """Explains a model at chosen layers. Threads may share one; it keeps replicas of the model for the next call (see `Replicas`).

    model:   any nn.Module that maps images [B, 3, H, W] to logits [B, N], or to a tuple, dict or ModelOutput that holds them. Sequences
             [B, C, L] and volumes [B, C, D, H, W] are explained alike: heatmaps have the axes of the input.
    layers:  names ("conv_layers.6") or modules of the model, or (name, call) for a layer that runs several times;
             None is every Conv2d. The activation of a layer is its output.
    reshape: for layers that do not put out maps, such as a transformer's tokens: a function activation → [B, C, h, w].

    Raises ValueError for a layer the model does not have, TypeError for something that is neither name nor module.
    """

    def __init__(self, model: nn.Module, layers=None, reshape: Callable[[Tensor], Tensor] | None = None):
        if not isinstance(model, nn.Module):
            raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")
        if reshape is not None and not callable(reshape):
            raise TypeError(f"expected reshape as a function activation → [B, C, h, w], got {type(reshape).__name__}")
        self.model = model
        self._replicas = Replicas(model)
        self._layers = find_layers(model, layers)
        self._reshape = reshape

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
        progress: Callable[[float], bool | None] | None = None,
        at_once: int | None = None,
    ) -> Explanation:
        """Explain `images` [B, 3, H, W] for K targets at the explainer's L layers.

        targets:  None = each image's predicted class, or one or several of: a class number, ("labels", one for each image), "predicted",
                  "mixture" (Σ pᵢ·logitᵢ, probabilities held constant), ("top", k), ("against", a), ("contrast", a, b), a callable
                  outputs → [B], which sees the outputs of all images.
        method:   a key of METHODS.
        signed:   keep what speaks against the target, below zero, in place of the ReLU.
        device:   where the explanation is wanted; the computation runs where the model is.
        progress: told the part done, 0…1, by methods that need many forward passes; answering False stops them with Cancelled.
        at_once:  None: all images go through the model together, as they came, since its answer for one may depend on the others. A number
                  says that it does not: so many images, or further forward passes, share a batch, or fewer where a GPU's memory is too small.

        Returns an Explanation with heatmaps [B, K, L, H, W] in units of the target. Raises ValueError for an unknown method,
        class or shape, or a layer without a gradient; TypeError for wrong kinds; MemoryError before an allocation that cannot fit. The
        model stays as found.
        """
        chosen, images = _method(method), as_batch(images, self.model)
        count = len(images)
        spelled, at_once = as_targets(targets, count), _checked(at_once)
        self._require(images, len(spelled), device, at_once)
        meter = Meter(progress, count)
        with _forgetful_errors(), torch.inference_mode(False):  # whatever mode the caller is in
            asked = spelled if at_once is None or at_once >= count else self._fixed(images, spelled, at_once)

            def explain(rows):
                some = images[rows.start : rows.stop]
                return self._explain(some, of_images(asked, rows), chosen, signed, device, meter, at_once)

            if at_once is None:
                found = [explain(range(count))]
            else:
                parts = [range(count)[start : start + at_once] for start in range(0, count, at_once)]
                found = [one for part in parts for one in in_halves(explain, part)]
        logits, heatmaps = map(_joined, zip(*found))
        return Explanation(logits, spelled, self.layers, heatmaps)

    def _explain(self, images, targets, method, signed, device, meter, at_once):
        with torch.no_grad(), self._replicas.lend() as lent:
            run = Run(self._replicas, lent, self._layers, images, targets, self._reshape, meter, at_once)

            def explain(some):
                return self._heatmaps(run.about(some), method, signed)

            if method.passes == "1":
                found = [part for group in run.groups(GRADIENT_BYTES) for part in in_halves(explain, group)]
            else:  # these halve their forward passes; another half of the targets would need them all again
                found = [explain(targets)]
            heatmaps = _joined(found)  # [K, B, L, H, W]
            return run.outputs.to(device), heatmaps.transpose(0, 1).to(device)

    def _heatmaps(self, run, method, signed):
        """The maps of a run's targets at all layers: [K, B, L, H, W]."""
        layers = [Reading(run, index) for index in range(len(self._layers))]
        return torch.stack([_heatmap(reading, method.weights, signed) for reading in layers], 2)

    def _fixed(self, images, targets, at_once):
        """Targets of which none looks at images beyond its own batch: callables are asked about the outputs of all images at once."""
        if not any(map(callable, targets)):
            return targets
        with torch.no_grad(), self._replicas.lend() as lent:
            outputs = _joined([logits_of(lent.forward(part)) for part in images.split(at_once)])
        return with_fixed_callables(outputs, targets)

    def _require(self, images, targets, device, at_once):
        """Raises MemoryError for heatmaps, or a forward pass of all images, that cannot fit."""
        size = prod(images.shape[2:]) * max(4, images.element_size())
        what = f"the heatmaps of {len(images)} images × {targets} targets × {len(self._layers)} layers at {_times(images.shape[2:])}"
        require(
            len(images) * targets * len(self._layers) * size,
            device,
            what,
            "ask for fewer images, targets or layers at a time",
        )
        together = images[: at_once or len(images)]
        free = available(images.device)
        if len(together) > 1 and free is not None and together.nbytes * SURELY_FITS > free:
            what = f"the activations of {len(together)} images"
            remedy = "pass at_once, how many images may share a batch, if the model treats each by itself"
            require(len(together) * self._bytes_kept(images[:1]), images.device, what, remedy)

    def _bytes_kept(self, images):
        """What a forward pass keeps for its backward; 0 where that cannot be found out with these images."""
        kept = {}

        def keep(tensor):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        weights = {parameter.untyped_storage().data_ptr() for parameter in self.model.parameters()}
        try:
            with torch.inference_mode(False), torch.enable_grad(), self._replicas.lend() as lent:
                with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                    recording = record(lent, self._layers, images)
        except Exception:  # perhaps a network that takes a whole batch only: it will say so itself
            return 0
        del recording
        return sum(size for place, size in kept.items() if place not in weights)


def _joined(parts):
    """Parts in one tensor; a single part as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _heatmap(reading, weigh, signed):
    """One layer's maps for all targets: [K, B, H, W]."""
    evidence = weighted_sum(weigh(reading), reading.activation)  # [K, B, h, w]
    return upsample(evidence if signed else evidence.relu(), reading.images.shape[2:])


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
def _forgetful_errors():
    """Errors that pass keep no tensors alive: whoever stores one would store the graph of a whole forward pass with it.

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
    try:
        frame.clear()
    except RuntimeError:  # still running: its caller's handler, and this one
        pass
