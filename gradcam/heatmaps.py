"""Heatmaps as evidence: summed, upsampled, combined and classified; never silently normalised."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name in torch's own documentation

from .allocator import in_huge_pages

# Measured, 1000 maps of 7 × 7 to 224 × 224, one thread: interpolated 239 ms, as products 155, in huge pages 47; with
# freed memory kept 99, 36 and 38. Of few maps either takes a millisecond, and their numbers stay as they were.
MANY_PLACES = 1 << 22  # of all enlarged maps
SMALL_MAP = 32  # places along an axis up to which a product costs less than interpolation


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
    size = tuple(size)
    if _as_products_is_faster(heatmaps, size):
        return _as_products(heatmaps, size)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return F.interpolate(heatmaps, size=size, mode=mode, align_corners=False)


def _as_products_is_faster(heatmaps, size):
    """For hundreds of small maps. NaN stays where interpolation leaves it, in a product it would spread."""
    return (
        len(size) == 2
        and heatmaps.device.type == "cpu"
        and heatmaps.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")  # which multiplies in another precision
        and heatmaps.shape[:-2].numel() * size[0] * size[1] >= MANY_PLACES
        and max(heatmaps.shape[-2:]) <= SMALL_MAP
        and bool(heatmaps.sum().isfinite())
    )


def _as_products(heatmaps, size):
    """Every enlarged row is a mixture of two rows, and every column of two columns: U · heatmap · Vᵀ."""
    (rows, columns), (h, w) = size, heatmaps.shape[-2:]
    down, across = _mixtures(h, rows, heatmaps), _mixtures(w, columns, heatmaps)
    wide = (heatmaps.reshape(-1, w) @ across.T).view(-1, h, columns)
    enlarged = in_huge_pages(heatmaps.new_empty(len(wide), rows, columns))
    torch.matmul(down, wide, out=enlarged)
    return enlarged.view(*heatmaps.shape[:-2], rows, columns)


def _mixtures(count, size, like):
    """How much of each of `count` places is in each of `size` when a line is enlarged: [size, count]."""
    places = torch.eye(count, dtype=like.dtype, device=like.device)
    return F.interpolate(places[None], size=size, mode="linear", align_corners=False)[0].T.contiguous()


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
