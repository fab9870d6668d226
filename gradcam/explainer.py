"""The one computation: one forward, one batched backward, all targets × all layers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .heatmaps import states, upsample, weighted_sum
from .layers import find_layers
from .memory import in_halves, require
from .methods import METHODS
from .reading import Meter, Reading, Run
from .replica import dice_as_found
from .targets import Target, as_targets

# How many images go through the model at once. On a CPU, blocks of several megabytes are handed back to the kernel and
# faulted in again, so large batches are slower per image; the figures are in benchmarks/speed.py, "images at once".
IMAGES_AT_ONCE = {"cpu": 4}
PASSES_AT_ONCE = {"cpu": 8}  # the same for the forward passes of Ablation-CAM and Score-CAM
AT_ONCE_ELSEWHERE = 32
GRADIENT_BYTES = 256 * 2**20  # gradients [K, B, C, h, w] held at a time; more targets come in groups


@dataclass(frozen=True)
class Explanation:
    """What the model said, and where it found its evidence. Detached tensors, safe to keep, copy and compare."""

    logits: Tensor  # [B, N]           what the model said
    targets: tuple[Target, ...]  # K targets        what was explained
    layers: tuple[str, ...]  # L names          where it was read, in the order asked for (default: shallow to deep)
    heatmaps: Tensor  # [B, K, L, H, W]  evidence: ReLU'd (unless signed), upsampled to the images, NOT normalised

    def states(self) -> list[list[list[str]]]:
        """What each map is, in a word: "evidence", "empty", "constant" or "not finite"; nested [B][K][L]."""
        return states(self.heatmaps)


class Explainer:
    """Explains a model at chosen layers. Holds no state but these, so threads may share one.

    model:   any nn.Module that maps images [B, 3, H, W] to logits [B, N], or to a tuple, dict or ModelOutput that holds them.
    layers:  names ("conv_layers.6") or modules of the model, or (name, call) for a layer that runs several times;
             None is every Conv2d. The activation of a layer is its output.
    reshape: for layers that do not put out maps, such as a transformer's tokens: a function activation → [B, C, h, w].

    Raises ValueError for a layer the model does not have, TypeError for something that is neither name nor module.
    """

    def __init__(self, model: nn.Module, layers=None, reshape: Callable[[Tensor], Tensor] | None = None):
        if not isinstance(model, nn.Module):
            raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")
        self.model = model
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

        targets:  None = each image's predicted class, or one or several of: a class number, "predicted", "mixture"
                  (Σ pᵢ·logitᵢ, probabilities held constant), ("top", k), ("against", a), ("contrast", a, b), a callable outputs → [B].
        method:   a key of METHODS.
        signed:   keep what speaks against the target, below zero, in place of the ReLU.
        device:   where the explanation is wanted; the computation runs where the model is.
        progress: told the part done, 0…1, by methods that need many forward passes; answering False stops them with Cancelled.
        at_once:  how many images, or further forward passes, share a batch; None chooses for the device. Where a GPU's memory is too
                  small for that, batches are halved until they fit; torch.OutOfMemoryError is for what does not fit alone.

        Returns an Explanation with heatmaps [B, K, L, H, W] in units of the target. Raises ValueError for an unknown method,
        class or shape, TypeError for wrong kinds, MemoryError before an allocation that cannot fit. The model stays as found.
        """
        chosen, targets, images = _method(method), as_targets(targets), as_batch(images, self.model)
        require(images, len(targets), len(self._layers), device)
        meter = Meter(progress, len(images))

        def explain(part):
            return self._explain(part, targets, chosen, signed, device, meter, at_once)

        with dice_as_found(), torch.inference_mode(False):  # whatever mode the caller is in
            parts = images.split(at_once or _at_once(IMAGES_AT_ONCE, images))
            found = [one for part in parts for one in in_halves(explain, part)]
        logits, heatmaps = map(_joined, zip(*found))
        return Explanation(logits, targets, self.layers, heatmaps)

    def _explain(self, images, targets, method, signed, device, meter, at_once):
        passes = at_once or _at_once(PASSES_AT_ONCE, images)
        run = Run(self.model, self._layers, images, targets, self._reshape, meter, passes)

        def explain(some):
            return self._heatmaps(run.about(some), method, signed)

        with torch.no_grad():
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


def _joined(parts):
    """Parts in one tensor; a single part as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _heatmap(reading, weigh, signed):
    """One layer's maps for all targets: [K, B, H, W]."""
    evidence = weighted_sum(weigh(reading), reading.activation)  # [K, B, h, w]
    return upsample(evidence if signed else evidence.relu(), reading.images.shape[-2:])


def _method(name):
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        raise ValueError(f"expected a method out of {', '.join(METHODS)}; got {name!r}") from None


def as_batch(images, model):
    """The images where and in the precision the model computes."""
    if not isinstance(images, Tensor):
        raise TypeError(f"expected images as a tensor [B, 3, H, W], got {type(images).__name__}")
    if images.ndim != 4 or not images.is_floating_point() or not images.numel():
        raise ValueError(
            f"expected floating-point images [B, 3, H, W], got {images.dtype} {list(images.shape)}: "
            "add the batch axis, scale to what the model was trained on"
        )
    anchor = next((parameter for parameter in model.parameters() if parameter.is_floating_point()), images)
    with torch.inference_mode(False):
        images = images.detach().to(anchor.device, anchor.dtype)
        return images.clone() if images.is_inference() else images  # autograd takes no tensor made in inference mode


def _at_once(table, images):
    return table.get(images.device.type, AT_ONCE_ELSEWHERE)
