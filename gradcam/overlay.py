"""Evidence made visible: heatmaps coloured and laid over a base picture. The last step, and the only one that normalises."""

import cv2
import numpy as np
import torch

COLORMAPS = {  # name → OpenCV's table
    "jet": cv2.COLORMAP_JET,  # the article's; not perceptually uniform
    "viridis": cv2.COLORMAP_VIRIDIS,  # perceptually uniform
    "cividis": cv2.COLORMAP_CIVIDIS,  # perceptually uniform, made for colour-blind readers
}
SCALES = ("each map", "shared")


def overlay(base, heatmaps, colormap: str = "jet", opacity: float = 0.5, scale: str = "each map") -> np.ndarray:
    """Lay every heatmap over one base picture: uint8 [..., H, W, 3].

    base:     RGB [H, W, 3], uint8.
    heatmaps: evidence ≥ 0, [..., H, W], tensor or array.
    scale:    "each map" — a map's own peak is the hottest colour; "shared" — the strongest peak of all maps is.
              Zero is always the coldest colour, so a weak map looks weak on the shared scale.

    A map without positive evidence leaves its base plain, which no colour of the map can be mistaken for.
    Raises ValueError for an unknown colormap or scale, a mismatch of shapes, or evidence that is not finite.
    """
    base, heatmaps = np.asarray(base), _numbers(heatmaps)
    if base.dtype != np.uint8 or base.shape != (*heatmaps.shape[-2:], 3):
        raise ValueError(
            f"expected a uint8 base {[*heatmaps.shape[-2:], 3]} under these heatmaps, got {base.dtype} {list(base.shape)}"
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"expected an opacity from 0 to 1, got {opacity}")
    table = colour_table(colormap).astype(np.float32)  # [256, 3]
    peaks = heatmaps.max((-2, -1), keepdims=True) if heatmaps.size else np.zeros((1, 1))
    hottest = _hottest(peaks, scale)
    shade = (heatmaps * (255 / hottest)).astype(np.uint8)  # [..., H, W]
    mixed = (table * opacity).astype(np.float32)[shade] + base * np.float32(1 - opacity)
    return np.where((peaks > 0)[..., None], mixed.round().astype(np.uint8), base)


def colour_table(colormap: str) -> np.ndarray:
    """The colormap's 256 RGB colours from no evidence to the peak: uint8 [256, 3]."""
    if colormap not in COLORMAPS:
        raise ValueError(f"expected a colormap out of {', '.join(COLORMAPS)}; got {colormap!r}")
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(ramp, COLORMAPS[colormap])[:, 0, ::-1].copy()


def _hottest(peaks, scale):
    if scale not in SCALES:
        raise ValueError(f"expected a scale out of {', '.join(SCALES)}; got {scale!r}")
    hottest = peaks if scale == "each map" else peaks.max(initial=0.0)
    return np.where(hottest > 0, hottest, 1)


def _numbers(heatmaps):
    if isinstance(heatmaps, torch.Tensor):
        heatmaps = heatmaps.detach().float().cpu().numpy()
    heatmaps = np.asarray(heatmaps, dtype=np.float32)
    if heatmaps.ndim < 2:
        raise ValueError(f"expected heatmaps [..., H, W], got {list(heatmaps.shape)}")
    if not np.isfinite(heatmaps).all():
        raise ValueError(
            "expected finite heatmaps, got NaN or infinity: the model's activations or gradients overflowed"
        )
    return heatmaps
