"""Heatmaps as evidence: summed, upsampled, combined and classified; never silently normalised."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name in torch's own documentation


def weighted_sum(weights: Tensor, activation: Tensor) -> Tensor:
    """Σ_C weights · activation (Grad-CAM, eq. 2 before its ReLU): [K, B, C, h|1, w|1] and [B, C, h, w] → [K, B, h, w].

    Maps of one or three axes are summed alike. Where a sum overflowed it is NaN, in either direction: a ReLU would take
    minus infinity for no evidence.
    """
    if weights.shape[3:].numel() == 1:  # one number per map: a matrix product, without a [K, B, C, h, w] in between
        summed = torch.einsum("kbc,bc...->kb...", weights.flatten(2), activation)
    else:
        summed = (weights * activation).sum(2)
    if summed.sum().isfinite():  # thirty times faster than checking every element, and nearly always enough
        return summed
    return summed.where(summed.isfinite(), torch.nan)


def upsample(heatmaps: Tensor, size) -> Tensor:
    """Bilinear, align_corners=False: [K, B, h, w] → [K, B, H, W]; (tri)linear for maps of one axis (three)."""
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return F.interpolate(heatmaps, size=tuple(size), mode=mode, align_corners=False)


def peaks(heatmaps: Tensor) -> Tensor:
    """The strongest evidence of each map: [..., H, W] → [...]."""
    return heatmaps.amax((-2, -1))


def empty(heatmaps: Tensor) -> Tensor:
    """Which maps have no positive evidence at all: [..., H, W] → bool [...]."""
    return peaks(heatmaps) <= 0


def min_max(heatmaps: Tensor, axes: tuple[int, ...] = (-2, -1)) -> Tensor:
    """Each map, along `axes`, rescaled to 0..1. A constant map becomes 0; NaN stays NaN."""
    low = heatmaps.amin(axes, keepdim=True)
    span = heatmaps.amax(axes, keepdim=True) - low
    return (heatmaps - low) / span.where(span != 0, 1)


def combine_rescaled(heatmaps: Tensor) -> Tensor:
    """One map from all layers as the article combines them: min-max each, mean, min-max.

    [..., L, H, W] → [..., H, W] in 0..1. Every layer counts alike, however weak its evidence: read it as
    *where*, never as *how much*.
    """
    return min_max(min_max(heatmaps).mean(-3))


def combine_product(heatmaps: Tensor) -> Tensor:
    """One map from all layers: the product of each layer's map, rescaled to 0..1. [..., L, H, W] → [..., H, W].

    RefineCAM (arXiv:2605.14641): a place is hot only where it is in every layer, so that coarse layers say where and
    fine ones how far. The product is not rescaled again: it reaches 1 only where all layers have their peak.
    """
    return min_max(heatmaps).prod(-3)


def combine_evidence(heatmaps: Tensor) -> Tensor:
    """One map from all layers in units of evidence: their mean, nothing rescaled. [..., L, H, W] → [..., H, W].

    A layer with a hundredth of the evidence counts a hundredth.
    """
    return heatmaps.mean(-3)


def states(heatmaps: Tensor) -> Any:
    """The state of each map: one word for [H, W] (see `state_of`), nested lists of words for [..., H, W]."""
    if heatmaps.ndim == 2:
        return state_of(heatmaps)
    return [states(part) for part in heatmaps]


def state_of(heatmap: Tensor) -> str:
    """One map's state: "evidence", "empty" (nothing above zero and nothing below), "constant" or "not finite"."""
    if not heatmap.isfinite().all():
        return "not finite"
    low, high = heatmap.min(), heatmap.max()
    if low == high:
        return "empty" if high == 0 else "constant"
    return "evidence"
