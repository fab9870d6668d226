"""One Grad-CAM heatmap step by step: every quantity between the forward pass and the picture."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from .heatmaps import upsample, weighted_sum
from .images import as_batch
from .layer_view import ForwardPass, LayerView
from .layers import find_layers
from .methods import grad_cam
from .model_copy import ModelCopies
from .targets import as_targets
from .variant_passes import PassCounter


@dataclass(frozen=True)
class Anatomy:
    """Selvaraju et al. 2017, arXiv:1610.02391. Detached tensors on the CPU; y is in the target's own units."""

    logits: Tensor  # [N]        the model's outputs
    score: float  # y            the score that was explained
    activation: Tensor  # [C, h, w]  Aᵏ, the layer's output
    gradient: Tensor  # [C, h, w]  ∂y/∂Aᵏ
    weights: Tensor  # [C]        αₖ, the gradient's mean over the map's area (eq. 1)
    summed: Tensor  # [h, w]     Σₖ αₖ Aᵏ, both signs
    rectified: Tensor  # [h, w]     its ReLU (eq. 2)
    heatmap: Tensor  # [H, W]     upsampled to the image: what `Explainer.explain` gives


def take_apart(model: nn.Module, layer, image: Tensor, target=None, reshape=None) -> Anatomy:
    """The steps of Grad-CAM for one image [3, H, W]; one target, one layer and `reshape` as `Explainer` takes them.

    Raises what `Explainer` and `Explainer.explain` raise, and ValueError for more than one target or view. The model
    is left unchanged.
    """
    images, targets, layers = as_batch(image[None], model), as_targets(target), find_layers(model, layer)
    if len(targets) != 1 or len(layers) != 1:
        raise ValueError(f"expected one target and one layer, got {len(targets)} and {len(layers)}")
    copies = ModelCopies(model)
    with torch.inference_mode(False), torch.no_grad(), copies.borrow() as borrowed:
        forward_pass = ForwardPass(copies, borrowed, layers, images, targets, reshape, PassCounter(None, 1))
        return _steps(LayerView(forward_pass, 0))


def _steps(view):
    weights = grad_cam(view)  # [1, 1, C, 1, 1]
    summed = weighted_sum(weights, view.activation)  # [1, 1, h, w]
    rectified = summed.relu()
    return Anatomy(
        logits=view.outputs[0].cpu(),
        score=view.scores(0).item(),
        activation=view.activation[0].cpu(),
        gradient=view.gradient[0, 0].cpu(),
        weights=weights.flatten().cpu(),
        summed=summed[0, 0].cpu(),
        rectified=rectified[0, 0].cpu(),
        heatmap=upsample(rectified, view.images.shape[2:])[0, 0].cpu(),
    )


@dataclass(frozen=True)
class SummaryRow:
    layer: str
    kind: str
    output_shape: tuple[int, ...]  # of one image; empty where it puts out no tensor
    parameters: int


def summary(model: nn.Module, image: Tensor) -> tuple[SummaryRow, ...]:
    """The innermost modules in the order in which they run over an image [3, H, W], one row for each time.

    One forward pass, without gradients. The model is left unchanged.
    """
    images, copies, rows = as_batch(image[None], model), ModelCopies(model), []

    def attach(root):
        rows.clear()
        return [
            module.register_forward_hook(partial(_note, rows, name))
            for name, module in root.named_modules()
            if name and not any(module.children()) and not isinstance(module, torch.jit.ScriptModule)
        ]

    with torch.inference_mode(False), torch.no_grad(), copies.borrow() as borrowed:
        borrowed.forward(images, attach)
    return tuple(rows)


def _note(rows, name, module, inputs, output):
    shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    rows.append(SummaryRow(name, type(module).__name__, shape, parameters))
