"""The CAM family: each method is one short function that gives the activation maps their weights.

Every map is ReLU(Σ_C weights · activation); all around that sum is the same for every method. A gradient-weighted method
takes activation [B, C, h, w] and gradient [K, B, C, h, w] and returns weights that broadcast to [K, B, C, h, w]: write the
function, put `@gradient_weighted` with its name and source above it, and it can be asked for by that name.

The methods here take maps of any number of axes, [B, C, l] or [B, C, d, h, w] as well; h and w stand for them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .eigen import first_axis
from .head import no_pooled_weights, pooled_weights
from .heatmaps import min_max, upsample
from .layer_view import Reading


@dataclass(frozen=True)
class Method:
    name: str
    source: str  # the paper and its equation
    weights: Callable[[Reading], Tensor]  # → broadcasts to [K, B, C, h, w]
    passes: str = "1"  # forward passes for an image at one layer with C maps


METHODS: dict[str, Method] = {}


def method(name: str, source: str, passes: str = "1"):
    """Enter a function of a Reading into METHODS."""

    def enter(weights):
        METHODS[name] = Method(name, source, weights, passes)
        return weights

    return enter


def gradient_weighted(name: str, source: str):
    """Enter a function of (activation, gradient) into METHODS."""

    def enter(weights):
        METHODS[name] = Method(name, source, lambda reading: weights(reading.activation, reading.gradient))
        return weights

    return enter


@gradient_weighted("Grad-CAM", "Selvaraju et al. 2017, arXiv:1610.02391, eq. 1")
def grad_cam(activation, gradient):
    """The gradient averaged over the map's area."""
    return gradient.mean(area(activation), keepdim=True)  # [K, B, C, 1, 1]


@gradient_weighted("Grad-CAM++", "Chattopadhay et al. 2018, arXiv:1710.11063, eqs. 5 and 19")
def grad_cam_plus_plus(activation, gradient):
    """Positive gradients, each weighed by α = g² / (2g² + g³·ΣA), A summed over its map.

    This is the paper's α for the score exp(target), exact where the network is piecewise linear. That score's factor
    exp(target) is left out: it is one positive number for a whole map, and overflows. The authors' program goes on to
    divide α by its sum over the map; the paper does not, and neither does this.
    """
    total = activation.sum(area(activation), keepdim=True)  # [B, C, 1, 1]
    denominator = 2 + gradient * total  # [K, B, C, h, w], g² cancelled: g³ leaves single precision long before g does
    alpha = torch.where(denominator != 0, 1 / denominator, 0)
    return (alpha * gradient.relu()).sum(area(activation), keepdim=True)  # [K, B, C, 1, 1]


@gradient_weighted("HiResCAM", "Draelos & Carin 2020, arXiv:2011.08891, eq. 6")
def hirescam(activation, gradient):
    """The gradient itself, pixel by pixel: the map sums to what a linear head reads."""
    return gradient  # [K, B, C, h, w]


@gradient_weighted("XGrad-CAM", "Fu et al. 2020, arXiv:2008.02312, eq. 8")
def xgrad_cam(activation, gradient):
    """The gradient averaged with the activation as weight; a map that sums to zero has no weight."""
    total = activation.sum(area(activation), keepdim=True)  # [B, C, 1, 1]
    share = torch.where(total != 0, activation / total.where(total != 0, torch.ones_like(total)), 0)
    return (share * gradient).sum(area(activation), keepdim=True)  # [K, B, C, 1, 1]


@gradient_weighted("LayerCAM", "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, eq. 5")
def layercam(activation, gradient):
    """The positive gradients, pixel by pixel."""
    return gradient.relu()  # [K, B, C, h, w]


@method("Eigen-CAM", "Muhammad & Yeasin 2020, arXiv:2008.00299, eq. 3")
def eigen_cam(reading):
    """The activations' first principal axis, not centred, the same for every target.

    An axis has no sign of its own: it is turned so that the map rises and falls with the activations' energy ΣA². See
    `first_axis` for activations where that does not decide, where several axes come first, and where there is none.
    """
    axes = torch.stack([first_axis(maps) for maps in reading.activation.flatten(2)])  # [B, C]
    return _one_a_map(axes.expand(len(reading.cotangents), -1, -1), reading.activation)  # [K, B, C, 1, 1]


@method("CAM", "Zhou et al. 2016, arXiv:1512.04150, eq. 2")
def cam(reading):
    """The classes' own weights for the averaged maps; only where the outputs read a global average linearly."""
    weight = pooled_weights(reading.model, reading.activation, reading.outputs)  # [N, C]
    if weight is None:
        layer = str(reading.layer)
        del reading  # an exception keeps what its frames hold for as long as it is kept
        raise ValueError(no_pooled_weights(layer))
    cotangents = reading.cotangents.unsqueeze(-1).flatten(2)  # [K, B, N], of outputs [B], too
    return _one_a_map(cotangents.to(weight.dtype) @ weight, reading.activation)  # [K, B, C, 1, 1]


@method("Ablation-CAM", "Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.00360, eq. 3", passes="1 + C")
def ablation_cam(reading):
    """How much of the score falls away without a map: (y − yₖ) / |y|, one forward pass for every map.

    The paper divides by y, which for a negative score would turn helping maps into harming ones; |y| is the same otherwise.
    A score of zero has no share to speak of: there the difference itself is the weight.
    """
    activation, channels = reading.activation, reading.activation.shape[1]
    keep = _one_a_map(1 - torch.eye(channels).to(activation), activation)  # [C, C, 1, 1]
    weights = []
    for image in range(len(activation)):
        score = reading.scores(image)  # [K, 1]
        without = reading.scores_with_activations(
            image, lambda rows, maps=activation[image]: maps * keep[rows], channels
        )  # [K, C]
        weights.append((score - without) / score.abs().where(score != 0, torch.ones_like(score)))
    return _one_a_map(torch.stack(weights, 1), activation)  # [K, B, C, 1, 1]


@method("Score-CAM", "Wang et al. 2020, arXiv:1910.01279, algorithm 1", passes="1 + C")
def score_cam(reading):
    """The scores of the photo seen through each map, as a softmax over the maps.

    The paper subtracts the score of a black photo first; a softmax does not notice what is subtracted from all.
    """
    channels, size, axes = reading.activation.shape[1], reading.images.shape[2:], area(reading.activation)
    weights = []
    for image, photo in enumerate(reading.images):
        masks = min_max(upsample(reading.activation[image : image + 1], size)[0], axes)  # [C, H, W]
        seen = reading.scores_of_images(
            image, lambda rows, photo=photo, masks=masks: photo * masks[rows][:, None], channels
        )  # [K, C]
        weights.append(seen.softmax(1))
    return _one_a_map(torch.stack(weights, 1), reading.activation)  # [K, B, C, 1, 1]


def area(activation):
    """The axes of a map, counted from the end: (-2, -1) for [B, C, h, w]."""
    return tuple(range(2 - activation.ndim, 0))


def _one_a_map(weights, activation):
    """Weights [..., C], each for a whole map of `activation`: [..., C, 1, 1]."""
    return weights[(..., *(None for _ in area(activation)))]
