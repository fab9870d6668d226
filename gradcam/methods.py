"""The CAM methods: each is one short function that computes the weights of the activation maps.

Every map is ReLU(Σ_C weights · activation); everything else is the same for every method. A gradient-weighted method
takes activation [B, C, h, w] and gradient [K, B, C, h, w] and returns weights that broadcast to [K, B, C, h, w]: write
the function, put `@gradient_weighted` with its name and source above it, and it can be chosen by that name.

The methods here take maps of any number of axes, [B, C, l] or [B, C, d, h, w] as well; h and w stand for them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .eigen import first_axis
from .head import no_pooled_weights, pooled_weights
from .heatmaps import min_max, upsample
from .layer_view import LayerView


@dataclass(frozen=True)
class Method:
    name: str
    source: str  # the paper and its equation
    weights: Callable[[LayerView], Tensor]  # → broadcasts to [K, B, C, h, w]
    passes: str = "1"  # forward passes for an image at one layer with C maps
    means: bool = False  # whether of the gradient it reads only the mean over each map


METHODS: dict[str, Method] = {}  # one per process: the decorators below fill it on import, and nothing changes it later


def method(name: str, source: str, passes: str = "1", *, means: bool = False):
    """Register a function of a LayerView in METHODS."""

    def register(weights):
        METHODS[name] = Method(name, source, weights, passes, means)
        return weights

    return register


def gradient_weighted(name: str, source: str):
    """Register a function of (activation, gradient) in METHODS."""

    def register(weights):
        METHODS[name] = Method(name, source, lambda view: weights(view.activation, view.gradient))
        return weights

    return register


@method("Grad-CAM", "Selvaraju et al. 2017, arXiv:1610.02391, eq. 1", means=True)
def grad_cam(view):
    """The gradient averaged over the map's area."""
    return view.mean_gradient  # [K, B, C, 1, 1]


@gradient_weighted("Grad-CAM++", "Chattopadhay et al. 2018, arXiv:1710.11063, eqs. 5 and 19")
def grad_cam_plus_plus(activation, gradient):
    """Positive gradients, each weighted by α = g² / (2g² + g³·ΣA), A summed over its map.

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
def eigen_cam(view):
    """The activations' first principal axis, not centred, the same for every target.

    An axis has no sign of its own: it is oriented so that the map rises and falls with the activations' energy ΣA². See
    `first_axis` for activations where that does not decide, where several axes come first, and where there is none.
    """
    axes = torch.stack([first_axis(maps) for maps in view.activation.flatten(2)])  # [B, C]
    return _per_map(axes.expand(len(view.cotangents), -1, -1), view.activation)  # [K, B, C, 1, 1]


@method("CAM", "Zhou et al. 2016, arXiv:1512.04150, eq. 2")
def cam(view):
    """The classes' own weights for the averaged maps; only where the outputs read a global average linearly."""
    weight = pooled_weights(view.model, view.activation, view.outputs)  # [N, C]
    if weight is None:
        name = str(view.layer)
        del view  # an exception keeps what its frames hold for as long as it is kept
        raise ValueError(no_pooled_weights(name))
    cotangents = view.cotangents.unsqueeze(-1).flatten(2)  # [K, B, N], of outputs [B], too
    return _per_map(cotangents.to(weight.dtype) @ weight, view.activation)  # [K, B, C, 1, 1]


@method("Ablation-CAM", "Desai & Ramaswamy 2020, doi:10.1109/WACV45572.2020.00360, eq. 3", passes="1 + C")
def ablation_cam(view):
    """How much of the score is lost without a map: (y − yₖ) / |y|, one forward pass for every map.

    The paper divides by y, which for a negative score would make helping maps harmful; |y| is the same otherwise.
    For a score of zero, which has no shares, the difference itself is the weight.
    """
    activation, channels = view.activation, view.activation.shape[1]
    keep = _per_map(1 - torch.eye(channels).to(activation), activation)  # [C, C, 1, 1]
    weights = []
    for image in range(len(activation)):
        score = view.scores(image)  # [K, 1]
        maps = activation[image]
        without = view.scores_with_activations(image, lambda rows, maps=maps: maps * keep[rows], channels)  # [K, C]
        weights.append((score - without) / score.abs().where(score != 0, torch.ones_like(score)))
    return _per_map(torch.stack(weights, 1), activation)  # [K, B, C, 1, 1]


@method("Score-CAM", "Wang et al. 2020, arXiv:1910.01279, algorithm 1", passes="1 + C")
def score_cam(view):
    """The scores of the photo masked by each map, as a softmax over the maps.

    The paper subtracts the score of a black photo first; a softmax does not depend on what is subtracted from all.
    """
    channels, size, axes = view.activation.shape[1], view.images.shape[2:], area(view.activation)
    weights = []
    for image, photo in enumerate(view.images):
        masks = min_max(upsample(view.activation[image : image + 1], size)[0], axes)  # [C, H, W]

        def masked(rows, photo=photo, masks=masks):
            return photo * masks[rows][:, None]

        weights.append(view.scores_of_images(image, masked, channels).softmax(1))  # [K, C]
    return _per_map(torch.stack(weights, 1), view.activation)  # [K, B, C, 1, 1]


def area(activation):
    """The axes of a map, counted from the end: (-2, -1) for [B, C, h, w]."""
    return tuple(range(2 - activation.ndim, 0))


def _per_map(weights, activation):
    """Weights [..., C], one for each map of `activation`: [..., C, 1, 1]."""
    return weights[(..., *(None for _ in area(activation)))]
