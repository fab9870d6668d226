"""The one computation: one forward, one batched backward, all targets × all layers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .gradients import gradients
from .heatmaps import upsample, weighted_sum
from .methods import METHODS
from .recording import record
from .targets import Target, as_targets, cotangents


@dataclass(frozen=True)
class Explanation:
    """What the model said, and where it found its evidence. Detached tensors, safe to keep, copy and compare."""

    logits: Tensor  # [B, N]           what the model said
    targets: tuple[Target, ...]  # K targets        what was explained
    layers: tuple[str, ...]  # L names          where it was read, in the order asked for (default: shallow to deep)
    heatmaps: Tensor  # [B, K, L, H, W]  evidence: ReLU'd, upsampled to the images, NOT normalised


class Explainer:
    """Explains a model at chosen layers. Holds no state but these two, so threads may share one.

    model:  any nn.Module that maps images [B, 3, H, W] to outputs [B, N].
    layers: names (`"conv_layers.6"`) or modules of the model; None is every Conv2d. The activation of a layer is its output.

    Raises ValueError for a layer the model does not have, TypeError for something that is neither name nor module.
    """

    def __init__(self, model: nn.Module, layers=None):
        if not isinstance(model, nn.Module):
            raise TypeError(f"expected a torch.nn.Module, got {type(model).__name__}")
        self.model = model
        self.layers = _layer_names(model, layers)

    def explain(self, images: Tensor, targets=None, method: str = "Grad-CAM", device="cpu") -> Explanation:
        """Explain `images` [B, 3, H, W] for K targets at the explainer's L layers.

        targets: None = each image's predicted class, or one or several of: a class number, "predicted", "mixture"
                 (Σ pᵢ·logitᵢ, probabilities held constant), ("contrast", a, b), a callable outputs → [B].
        method:  a key of METHODS.
        device:  where the explanation is wanted; the computation runs where the model is.

        Returns an Explanation with heatmaps [B, K, L, H, W] in the units of the target (logits × activation share).
        Raises ValueError for an unknown method, class or shape, TypeError for wrong kinds. The model stays as found.
        """
        weigh = _method(method)
        targets = as_targets(targets)
        # Leave whatever mode the caller is in; tensors made in inference mode must be copied before autograd takes them.
        with torch.inference_mode(False), torch.enable_grad():
            recording = record(self.model, self.layers, _batch(images, self.model))
            slopes = gradients(recording, cotangents(recording.outputs, targets))
        with torch.no_grad():
            heatmaps = [
                upsample(weighted_sum(weigh(activation, slope), activation).relu(), images.shape[-2:])  # [K, B, H, W]
                for activation, slope in zip((a.detach() for a in recording.activations), slopes)
            ]
            return Explanation(
                logits=recording.outputs.detach().to(device),
                targets=targets,
                layers=self.layers,
                heatmaps=torch.stack(heatmaps, 2).transpose(0, 1).to(device),  # [B, K, L, H, W]
            )


def _method(name):
    try:
        return METHODS[name]
    except (KeyError, TypeError):
        raise ValueError(f"expected a method out of {', '.join(METHODS)}; got {name!r}") from None


def _batch(images, model):
    if not isinstance(images, Tensor):
        raise TypeError(f"expected images as a tensor [B, 3, H, W], got {type(images).__name__}")
    if images.ndim != 4 or not images.is_floating_point() or not images.numel():
        raise ValueError(
            f"expected floating-point images [B, 3, H, W], got {images.dtype} {list(images.shape)}: add the batch axis, scale to what the model was trained on"
        )
    anchor = next(model.parameters(), images)
    images = images.detach().to(anchor.device)
    return images.clone() if images.is_inference() else images


def _layer_names(model, layers):
    names = {module: name for name, module in model.named_modules()}
    if layers is None:
        found = tuple(name for module, name in names.items() if isinstance(module, nn.Conv2d))
        if not found:
            raise ValueError("expected a model with Conv2d layers, found none: name the layers to read")
        return found
    if isinstance(layers, (str, nn.Module)):
        layers = [layers]
    found = tuple(_layer_name(layer, names) for layer in layers)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"expected each layer once and at least one, got {list(found)}")
    return found


def _layer_name(layer, names):
    if isinstance(layer, nn.Module):
        if layer not in names:
            raise ValueError(f"expected a layer of this model, got a {type(layer).__name__} that is not part of it")
        return names[layer]
    if not isinstance(layer, str):
        raise TypeError(f"expected a layer's name or module, got {type(layer).__name__}")
    if layer not in names.values():
        raise ValueError(
            f"expected a layer of this model, got {layer!r}; it has {', '.join(name for name in names.values() if name)}"
        )
    return layer
