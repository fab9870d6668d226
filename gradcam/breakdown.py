"""One Grad-CAM heatmap taken apart: every quantity between the forward pass and the picture."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .heatmaps import upsample, weighted_sum
from .images import as_batch
from .layer_view import Meter, Reading, Run
from .layers import find_layers
from .methods import grad_cam
from .model_copy import Replicas
from .targets import as_targets


@dataclass(frozen=True)
class Anatomy:
    """Selvaraju et al. 2017, arXiv:1610.02391. Detached tensors on the CPU; y is the target's score, in its own units."""

    logits: Tensor  # [N]        what the model said
    score: float  # y            what was explained
    activation: Tensor  # [C, h, w]  Aᵏ, what the layer put out
    gradient: Tensor  # [C, h, w]  ∂y/∂Aᵏ
    weights: Tensor  # [C]        αₖ, the gradient's mean over the map's area (eq. 1)
    summed: Tensor  # [h, w]     Σₖ αₖ Aᵏ, both signs
    rectified: Tensor  # [h, w]     its ReLU (eq. 2)
    heatmap: Tensor  # [H, W]     enlarged to the image: what `Explainer.explain` gives


def take_apart(model: nn.Module, layer, image: Tensor, target=None, reshape=None) -> Anatomy:
    """The steps of Grad-CAM for one image [3, H, W], one target and one layer, as `Explainer` takes them; `reshape` as well.

    Raises what `Explainer` and `Explainer.explain` raise, and ValueError for more than one target or layer. The model stays as found.
    """
    images, targets, layers = as_batch(image[None], model), as_targets(target), find_layers(model, layer)
    if len(targets) != 1 or len(layers) != 1:
        raise ValueError(f"expected one target and one layer, got {len(targets)} and {len(layers)}")
    replicas = Replicas(model)
    with torch.inference_mode(False), torch.no_grad(), replicas.lend() as lent:
        run = Run(replicas, lent, layers, images, targets, reshape, Meter(None, 1))
        return _steps(Reading(run, 0))


def _steps(reading):
    weights = grad_cam(reading.activation, reading.gradient)  # [1, 1, C, 1, 1]
    summed = weighted_sum(weights, reading.activation)  # [1, 1, h, w]
    rectified = summed.relu()
    return Anatomy(
        logits=reading.outputs[0].cpu(),
        score=reading.scores(0).item(),
        activation=reading.activation[0].cpu(),
        gradient=reading.gradient[0, 0].cpu(),
        weights=weights.flatten().cpu(),
        summed=summed[0, 0].cpu(),
        rectified=rectified[0, 0].cpu(),
        heatmap=upsample(rectified, reading.images.shape[2:])[0, 0].cpu(),
    )
