"""Grad-CAM, HiResCAM and LayerCAM by their papers' equations: hooks, one gradient at a time, plain loops."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

METHODS = ("Grad-CAM", "HiResCAM", "LayerCAM")
INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}  # spatial axes of a map → mode of F.interpolate


@dataclass(frozen=True)
class OracleResult:
    """The model's outputs, the maps by method, and the magnitude of their terms, which rounding is relative to."""

    outputs: Tensor  # [B, N]
    maps: dict[str, Tensor]  # [B, K, L, H, W] each
    terms: dict[str, Tensor]  # [K, L] each: the largest Σ_C |weight · activation|


def plain_maps(
    model: nn.Module, layers, images: Tensor, targets, reshape=None, activation_of=lambda output: output
) -> OracleResult:
    """One forward with hooks, and a backward for each target and layer. Hooks stay on the model."""
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    names, captured = [layer if isinstance(layer, str) else layer[0] for layer in layers], {}
    for name in dict.fromkeys(names):
        captured[name] = []
        model.get_submodule(name).register_forward_hook(_capture(captured[name], activation_of))
    with torch.inference_mode(False), torch.enable_grad():
        outputs = logits(model(images.clone().requires_grad_() * 1))
    tensors = [captured[name][0 if isinstance(layer, str) else layer[1]] for name, layer in zip(names, layers)]
    rows = [[_maps_of(outputs, target, *layer, images, reshape) for layer in tensors] for target in targets]  # K × L
    maps = {m: torch.stack([torch.stack([one[m][0] for one in row], 1) for row in rows], 1) for m in METHODS}
    terms = {m: torch.stack([torch.stack([one[m][1] for one in row]) for row in rows]) for m in METHODS}
    return OracleResult(outputs.detach().double(), maps, terms)


def _maps_of(outputs, target, output, activation, images, reshape):
    """One target at one layer: {method: (maps [B, H, W], magnitude of their terms)}."""
    value = target(outputs) if callable(target) else outputs[:, target]
    (gradient,) = torch.autograd.grad(value.sum(), output, retain_graph=True)
    small = _small_maps(_as_maps(activation, reshape), _as_maps(gradient, reshape))
    return {method: (_resized(heat, images.shape[2:]), terms.max()) for method, (heat, terms) in small.items()}


def _resized(heat, size):
    return F.interpolate(heat[:, None], size, mode=INTERPOLATION[len(size)], align_corners=False)[:, 0]


def logits(outputs):
    if isinstance(outputs, Tensor):
        return outputs
    if hasattr(outputs, "logits"):
        return outputs.logits
    return outputs["logits"] if isinstance(outputs, dict) else outputs[0]


def _capture(captured, activation_of):
    def hook(module, args, output):
        tensor = activation_of(output)
        captured.append((tensor, tensor.detach().clone()))
        return tensor.clone() if tensor is output else None  # the next layer may work in place

    return hook


def _as_maps(tensor, reshape):
    return (tensor if reshape is None else reshape(tensor)).detach().double()


def _small_maps(activation, gradient):
    """[B, C, h, w] twice → {method: (map [B, h, w], sum of absolute terms)}; likewise with one or three axes."""
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
