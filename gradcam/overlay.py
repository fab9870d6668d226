"""Heatmaps coloured and laid over a base picture: the last step, and the only one that normalises."""

import cv2
import numpy as np
import torch

COLORMAPS = {  # name → OpenCV's table
    "jet": cv2.COLORMAP_JET,  # the article's; not perceptually uniform
    "viridis": cv2.COLORMAP_VIRIDIS,  # perceptually uniform
    "cividis": cv2.COLORMAP_CIVIDIS,  # perceptually uniform, made for colour-blind readers
}
DIVERGING = "blue-red"  # for evidence of both signs: its ends are equally light, and distinct for colour-blind readers
SCALES = ("each map", "shared", "square root")

_AGAINST, _NEUTRAL, _FOR = (30, 96, 200), (221, 221, 221), (196, 28, 44)  # RGB; L* is 42, 88, 42
_STEPS = 255
_SIDE = 127  # shades on either side of the neutral one
_BLENDED_EXACTLY = (0.5, 1)  # opacities at which OpenCV rounds as NumPy does


def overlay(base, heatmaps, colormap: str = "jet", opacity: float = 0.5, scale: str = "each map") -> np.ndarray:
    """Lay every heatmap over one base picture: uint8 [..., H, W, 3].

    base:     RGB [H, W, 3], uint8.
    heatmaps: evidence, [..., H, W], tensor or array. Where any of them speaks against its target, below zero
              (`signed=True`), all are drawn in "blue-red", whichever colormap was chosen; it can also be chosen.
    scale:    "each map" — a map's own peak is the hottest colour; "shared" — the strongest peak of all maps is.
              Zero is always the coldest colour, so a weak map looks weak on the shared scale. "square root" — shared as
              well, of the evidence's square root: a hundredth of the strongest peak has a tenth of its colour.
              In "blue-red" zero is the neutral middle; the strongest of either side, red for and blue against, is the
              peak: both have one scale.

    A map without evidence leaves its base uncoloured, which differs from every colour of the map.
    Raises ValueError for an unknown colormap or scale, a mismatch of shapes, or evidence that is not finite.
    """
    base, heatmaps = np.asarray(base), _as_array(heatmaps)
    if base.dtype != np.uint8 or base.shape != (*heatmaps.shape[-2:], 3):
        raise ValueError(
            f"expected a uint8 base {[*heatmaps.shape[-2:], 3]} under these heatmaps, "
            f"got {base.dtype} {list(base.shape)}"
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"expected an opacity from 0 to 1, got {opacity}")
    table = colour_table(colormap)  # before a diverging one replaces it: a wrong name is an error for any map
    diverging = colormap == DIVERGING or heatmaps.min(initial=0) < 0
    if diverging:  # the neutral colour first: NumPy counts negative shades from the table's end
        table = np.roll(colour_table(DIVERGING), -_SIDE, axis=0)
    peaks = _peaks(np.abs(heatmaps) if diverging else heatmaps)
    steps, integer = (_SIDE, np.int8) if diverging else (_STEPS, np.uint8)
    shade = _shades(heatmaps, peaks, scale, steps).astype(integer)  # [..., H, W], rounded towards zero
    if not diverging and opacity in _BLENDED_EXACTLY and shade.size:
        return _blended(base, table, shade, opacity, peaks[..., 0, 0] > 0)
    mixed = (table.astype(np.float32) * opacity).astype(np.float32)[shade] + base * np.float32(1 - opacity)
    return np.where((peaks > 0)[..., None], mixed.round().astype(np.uint8), base)


def _blended(base, table, shade, opacity, has_evidence):
    """The same mixture by OpenCV, to the last bit, in a tenth of the time: 3.4 ms for twenty maps in place of 32."""
    table, base = table[:, None], np.ascontiguousarray(base)
    pictures = np.empty((*shade.shape, 3), np.uint8)
    for place in np.ndindex(shade.shape[:-2]):
        if has_evidence[place]:
            cv2.addWeighted(cv2.applyColorMap(shade[place], table), opacity, base, 1 - opacity, 0, pictures[place])
        else:
            pictures[place] = base
    return pictures


def shades(heatmaps, scale: str = "each map") -> np.ndarray:
    """The index of each point's colour in a `colour_table` of 256, as `overlay` chooses it: uint8 [..., H, W].

    Of evidence that is nowhere below zero. Raises ValueError as `overlay` does.
    """
    heatmaps = _as_array(heatmaps)
    if heatmaps.min(initial=0) < 0:
        raise ValueError("expected evidence of zero or more, got some below: overlay draws it in blue-red")
    return _shades(heatmaps, _peaks(heatmaps), scale, _STEPS).astype(np.uint8)


def _shades(heatmaps, peaks, scale, steps):
    """Evidence in units of a colour, signed, not yet rounded."""
    heatmaps, hottest = _in_range(heatmaps, _hottest(peaks, scale))
    if scale != "square root":
        return heatmaps * (steps / hottest)
    relative = heatmaps / hottest
    return np.sign(relative) * np.sqrt(np.abs(relative)) * np.float32(steps)


def colour_table(colormap: str) -> np.ndarray:
    """The colormap's colours, RGB: uint8 [256, 3], from none to the peak; "blue-red" [255, 3], from against to for."""
    if colormap == DIVERGING:
        return _diverging()
    if colormap not in COLORMAPS:
        raise ValueError(f"expected a colormap out of {', '.join(COLORMAPS)}, {DIVERGING}; got {colormap!r}")
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(ramp, COLORMAPS[colormap])[:, 0, ::-1].copy()


def _diverging():
    """An odd number of colours, so that one of them is the middle."""
    shades = np.arange(-_SIDE, _SIDE + 1)
    ends = zip(_AGAINST, _NEUTRAL, _FOR)
    return np.stack([np.interp(shades, (-_SIDE, 0, _SIDE), channel) for channel in ends], 1).round().astype(np.uint8)


def _peaks(heatmaps):
    """The strongest evidence of each map: [..., 1, 1]."""
    return heatmaps.max((-2, -1), keepdims=True) if heatmaps.size else np.zeros((1, 1))


def _hottest(peaks, scale):
    if scale not in SCALES:
        raise ValueError(f"expected a scale out of {', '.join(SCALES)}; got {scale!r}")
    hottest = peaks if scale == "each map" else peaks.max(initial=0.0)
    return np.where(hottest > 0, hottest, 1)


def _in_range(heatmaps, hottest):
    """Both in single precision, which computes the shades; scaled by a power of two where a peak exceeds its range."""
    exponent = np.frexp(hottest)[1]
    exponent = np.where(np.abs(exponent) > 100, exponent, 0)
    if exponent.any():
        heatmaps, hottest = np.ldexp(heatmaps, -exponent), np.ldexp(hottest, -exponent)
    return heatmaps.astype(np.float32, copy=False), hottest.astype(np.float32, copy=False)


def _as_array(heatmaps):
    if isinstance(heatmaps, torch.Tensor):
        heatmaps = heatmaps.detach().cpu()
        heatmaps = (heatmaps.float() if heatmaps.dtype == torch.bfloat16 else heatmaps).numpy()
    heatmaps = np.asarray(heatmaps)
    if heatmaps.dtype.kind not in "biuf":
        raise ValueError(f"expected heatmaps of real numbers, got {heatmaps.dtype}")
    if heatmaps.ndim < 2:
        raise ValueError(f"expected heatmaps [..., H, W], got {list(heatmaps.shape)}")
    if heatmaps.dtype != np.float32:
        heatmaps = heatmaps.astype(np.float64)
    if not np.isfinite(heatmaps).all():
        raise ValueError(
            "expected finite heatmaps, got NaN or infinity: the model's activations or gradients overflowed"
        )
    return heatmaps
