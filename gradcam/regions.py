"""Regions of a heatmap: where it is hot by a rule, as a mask and as boxes."""

import re
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

BINS = 256  # of the histogram that Otsu's rule divides


@dataclass(frozen=True)
class Regions:
    mask: Tensor  # bool [H, W]
    boxes: tuple[tuple[int, int, int, int], ...]  # (left, top, right, bottom) in pixels; right and bottom lie outside


def regions(heatmap: Tensor, rule: str | float = "15 %") -> Regions:
    """Where a map [H, W] is hot, and a box around each connected part, the one of most pixels first.

    rule: "15 %" takes what is above that share of the peak; 15 is Grad-CAM's share for localisation (Selvaraju et al.
          2017, arXiv:1610.02391, sec. 4.1), 20 that of CAM (Zhou et al. 2016, arXiv:1512.04150, sec. 3.2).
          "otsu" divides the histogram where the variance between both parts is largest (Otsu 1979).
          A number p from 0 up to 100 takes what is above the p-th percentile: the hottest 10 % of the pixels for 90.

    Only evidence counts: what is at or below zero is in no region, so that an empty map has none. Parts that touch at a
    corner are one. Raises ValueError for another shape or rule, and for a map that is not finite.
    """
    heat = _numbers(heatmap)
    mask = _above(heat, max(_threshold(heat, rule), 0))
    return Regions(torch.from_numpy(mask), _boxes(mask))


def largest_box(heatmap: Tensor, rule: str | float = "15 %") -> tuple[int, int, int, int] | None:
    """The first box of `regions`, in a fifth of the time; None where nothing is hot."""
    heat = _numbers(heatmap)
    mask = _above(heat, max(_threshold(heat, rule), 0))
    return _by_contours(mask) or next(iter(_boxes(mask)), None)


def _numbers(heatmap):
    """A map [H, W] in single or double precision. By numpy: on busy cores torch's threads cost a small map 100 times as
    much (0.1 ms against 10)."""
    if isinstance(heatmap, Tensor) and heatmap.ndim == 2:
        single = torch.promote_types(heatmap.dtype, torch.float32)
        heat = heatmap.detach().cpu().to(single).numpy()
        if np.isfinite(heat).all():
            return heat
    got = list(heatmap.shape) if isinstance(heatmap, Tensor) else type(heatmap).__name__
    raise ValueError(f"expected one heatmap [H, W] of finite numbers, got {got}")


def _threshold(heat, rule):
    """What a rule compares with, of the evidence above zero; single precision is compared with it exactly."""
    if rule == "otsu":
        return _otsu(_evidence(heat))
    if isinstance(rule, str):
        share = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", rule)
        if share and float(share[1]) < 100:
            return float(share[1]) / 100 * np.float64(heat.max())
    elif isinstance(rule, (int, float)) and not isinstance(rule, bool) and 0 <= rule < 100:
        return np.percentile(_evidence(heat), rule)
    raise ValueError(f'expected a rule like "15 %", "otsu" or a percentile from 0 up to 100, got {rule!r}')


def _above(heat, threshold):
    """Where a map is above a threshold in double precision: as exact, and faster, in the map's own."""
    own = heat.dtype.type(threshold)
    return heat > (np.nextafter(own, own.dtype.type(-np.inf)) if own > threshold else own)


def _evidence(heat):
    return heat.astype(np.float64).clip(min=0)


def _otsu(heat):
    """The bin edge that divides the values best; below them all where they are one value."""
    if heat.min() == heat.max():
        return -np.inf
    counts, edges = np.histogram(heat, BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()[:-1]  # pixels in the bins up to each; never none, as the minimum lies in the first
    above = heat.size - below
    total = (counts * centres).cumsum()
    difference = total[:-1] / below - (total[-1] - total[:-1]) / above
    best = int((below * above * difference**2).argmax())
    return np.nextafter(edges[best + 1], -np.inf)  # what lies on the edge is in the bin above it


def _boxes(mask):
    """By blocks, and only in the part that has any: 0.12 ms of 256 × 256 in place of 0.57."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return ()
    top, left = int(rows[0]), int(columns[0])
    hot = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(hot, 8, cv2.CV_32S, cv2.CCL_BBDT)
    boxes = [(left + x, top + y, left + x + width, top + y + height, size) for x, y, width, height, size in stats[1:]]
    boxes.sort(key=lambda box: (-box[4], box[1], box[0]))  # equal ones from the top, then from the left
    return tuple((int(left), int(top), int(right), int(bottom)) for left, top, right, bottom, _ in boxes)


def _by_contours(mask):
    """The box of the part of most pixels; None where two parts have as many, or there is none.

    Pixels are counted along the contours, by Pick's theorem: a polygon of area A through B lattice points has
    A + B/2 + 1 on it or inside, of which B lie on it. A contour around a hole runs on the part.
    """
    contours, nesting = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    pixels = {}  # index of the outer contour → pixels of the part
    for index, contour in enumerate(contours):
        around, half = nesting[0][index][3], len(contour) / 2
        if around < 0:
            pixels[index] = pixels.get(index, 0) + cv2.contourArea(contour) + half + 1
        else:
            pixels[around] = pixels.get(around, 0) - (cv2.contourArea(contour) - half + 1)
    largest, *others = sorted(pixels, key=pixels.__getitem__, reverse=True) or [None]
    if largest is None or (others and pixels[others[0]] == pixels[largest]):
        return None
    left, top, width, height = cv2.boundingRect(contours[largest])
    return left, top, left + width, top + height
