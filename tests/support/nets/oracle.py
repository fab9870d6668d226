"""Grad-CAM, HiResCAM and LayerCAM as their papers tell them: a hook, one gradient at a time, plain loops."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

METHODS = ("Grad-CAM", "HiResCAM", "LayerCAM")
ENLARGE = {1: "linear", 2: "bilinear", 3: "trilinear"}  # axes of a map → how it is enlarged


@dataclass(frozen=True)
class Plain:
    """What the model says, the maps by method, and the size of what they sum up: rounding is in proportion to it."""

    outputs: Tensor  # [B, N]
    maps: dict[str, Tensor]  # [B, K, L, H, W] each
    terms: dict[str, Tensor]  # [K, L] each: the largest Σ_C |weight · activation|


def plain_maps(model: nn.Module, layers, images: Tensor, targets, reshape=None, opened=lambda output: output) -> Plain:
    """One forward with hooks, and a backward for each target and layer. The model is used up."""
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    names, kept = [layer if isinstance(layer, str) else layer[0] for layer in layers], {}
    for name in dict.fromkeys(names):
        kept[name] = []
        model.get_submodule(name).register_forward_hook(_keeper(kept[name], opened))
    with torch.inference_mode(False), torch.enable_grad():
        outputs = logits(model(images.clone().requires_grad_() * 1))
    tensors = [kept[name][0 if isinstance(layer, str) else layer[1]] for name, layer in zip(names, layers)]
    found = [[_explained(outputs, target, *layer, images, reshape) for layer in tensors] for target in targets]  # K × L
    maps = {m: torch.stack([torch.stack([one[m][0] for one in row], 1) for row in found], 1) for m in METHODS}
    terms = {m: torch.stack([torch.stack([one[m][1] for one in row]) for row in found]) for m in METHODS}
    return Plain(outputs.detach().double(), maps, terms)


def _explained(outputs, target, output, activation, images, reshape):
    """One target at one layer: {method: (maps [B, H, W], size of their terms)}."""
    value = target(outputs) if callable(target) else outputs[:, target]
    (gradient,) = torch.autograd.grad(value.sum(), output, retain_graph=True)
    small = _three(_as_maps(activation, reshape), _as_maps(gradient, reshape))
    return {method: (_enlarged(heat, images.shape[2:]), terms.max()) for method, (heat, terms) in small.items()}


def _enlarged(heat, size):
    return F.interpolate(heat[:, None], size, mode=ENLARGE[len(size)], align_corners=False)[:, 0]


def logits(outputs):
    if isinstance(outputs, Tensor):
        return outputs
    if hasattr(outputs, "logits"):
        return outputs.logits
    return outputs["logits"] if isinstance(outputs, dict) else outputs[0]


def _keeper(kept, opened):
    def hook(module, args, output):
        tensor = opened(output)
        kept.append((tensor, tensor.detach().clone()))
        return tensor.clone() if tensor is output else None  # the next layer may work in place

    return hook


def _as_maps(tensor, reshape):
    return (tensor if reshape is None else reshape(tensor)).detach().double()


def _three(activation, gradient):
    """[B, C, h, w] twice → {method: (map [B, h, w], its terms' absolute sum)}; maps of one or three axes alike."""
    area = gradient[0, 0].numel()
    sums = {method: (torch.zeros_like(gradient[:, 0]), torch.zeros_like(gradient[:, 0])) for method in METHODS}
    for image in range(len(gradient)):
        for channel in range(gradient.shape[1]):
            a, g = activation[image, channel], gradient[image, channel]
            for method, term, size in (
                ("Grad-CAM", g.sum() / area * a, g.abs().sum() / area * a.abs()),  # eqs. 1 and 2
                ("HiResCAM", g * a, (g * a).abs()),
                ("LayerCAM", g.clamp(min=0) * a, (g * a).abs()),
            ):
                sums[method][0][image] += term
                sums[method][1][image] += size
    return {method: (total.clamp(min=0), size) for method, (total, size) in sums.items()}
