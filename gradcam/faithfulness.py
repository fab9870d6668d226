"""Measures of a heatmap's faithfulness: they change the photo and run the model again, or compare with a mask.

Heat is [H, W], one map of one image [3, H, W]. A map that is empty, constant or not finite ranks no pixel before
another: every measure refuses it with ValueError, so that a broken map can never score as if it were good.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .heatmaps import state_of

Score = Callable[[Tensor], Tensor]  # images [n, 3, H, W] → the target's score of each, [n]
BATCH = 8


@dataclass(frozen=True)
class Curve:
    """Scores while pixels change, hottest first."""

    fractions: tuple[float, ...]  # of the pixels changed, 0 to 1
    scores: tuple[float, ...]
    area: float  # under the curve, by trapezoids


def deletion(score: Score, image: Tensor, heat: Tensor, steps: int = 32, fill: Tensor | float = 0.0) -> Curve:
    """Replace the hottest pixels by `fill` step by step.

    A faithful map makes the score fall early: less area is better. Petsiuk et al. 2018, arXiv:1806.07421, sec. 4.
    Pass a `score` in 0..1 (a probability) to compare areas between images.
    """
    image, heat = _checked(image, heat)
    return _curve(score, image, torch.as_tensor(fill, dtype=image.dtype).expand_as(image), heat, steps)


def insertion(score: Score, image: Tensor, heat: Tensor, steps: int = 32, blur: float = 10.0) -> Curve:
    """Start with a blurred photo and restore the hottest pixels first.

    A faithful map makes the score rise early: more area is better. Petsiuk et al. 2018, sec. 4. `blur` is the
    Gaussian's standard deviation in pixels.
    """
    image, heat = _checked(image, heat)
    blurred = cv2.GaussianBlur(image.permute(1, 2, 0).numpy(), (0, 0), blur)
    return _curve(score, torch.from_numpy(blurred).permute(2, 0, 1), image, heat, steps)


def average_drop(before, after) -> float:
    """How much of the score is lost when only the hot part is shown, in percent, averaged over images: less is better.

    before, after: probabilities of the target, whole photo and photo × map, [M]. Chattopadhay et al. 2018, sec. 4.1.
    """
    before, after = _probabilities(before, after)
    return float(100 * (np.maximum(0, before - after) / before).mean())


def average_increase(before, after) -> float:
    """For how many images the hot part alone scores higher than the whole, in percent: more is better.

    Same inputs and source as `average_drop`.
    """
    before, after = _probabilities(before, after)
    return float(100 * (after > before).mean())


def average_gain(before, after) -> float:
    """How much of what was missing from certainty the hot part alone gains, in percent: more is better.

    100/M · Σ max(0, after − before) / (1 − before): the counterpart of `average_drop`, with the same inputs. Zhang et
    al. 2023 (Opti-CAM), arXiv:2301.07002. Where before is 1 nothing can be gained.
    """
    before, after = _probabilities(before, after)
    missing = 1 - before
    return float(100 * (np.maximum(0, after - before) / np.where(missing > 0, missing, 1)).mean())


def explanation_map(image: Tensor, heat: Tensor) -> Tensor:
    """The photo times its map, which is scaled to 0..1: the input for `average_drop` and the like. [3, H, W]."""
    image, heat = _checked(image, heat)
    low, high = heat.min(), heat.max()
    return image * ((heat - low) / (high - low))


def road(
    score: Score, image: Tensor, heat: Tensor, fractions=(0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9), seed: int = 0
) -> Curve:
    """Remove the hottest pixels without a trace of their shape: each becomes the noisy mean of its neighbours.

    ROAD, Rong et al. 2022, arXiv:2202.00449, sec. 4: noisy linear imputation. Less area is better. The same seed gives
    the same noise.
    """
    image, heat = _checked(image, heat)
    order = _hottest_first(heat)
    photos = []
    for fraction in fractions:
        removed = torch.zeros(heat.numel(), dtype=torch.bool)
        removed[order[: round(fraction * heat.numel())]] = True
        photos.append(impute(image, removed.view(heat.shape), seed))
    fractions = (0.0, *fractions)
    return _as_curve(fractions, _scores(score, torch.stack([image, *photos])))


def impute(image: Tensor, removed: Tensor, seed: int = 0, noise: float = 0.01) -> Tensor:
    """`image` [3, H, W] with its `removed` pixels [H, W] solved from their neighbours, plus a little seeded noise.

    Each removed pixel is the weighted mean of its eight neighbours (1/6 beside, 1/12 across; fewer at the border),
    removed or not: one sparse linear system for a colour, symmetric and positive, solved by conjugate gradients.
    """
    hole = removed.numpy()[..., None]  # [H, W, 1]
    if hole.all():
        raise ValueError("expected some pixels to remain: there is nothing to impute from")
    kept = np.where(hole, 0, image.permute(1, 2, 0).double().numpy())  # [H, W, 3]
    total_weight = _neighbours(np.ones(hole.shape))  # of the neighbours inside the photo: 1 except at its border
    filled = kept + _solve(
        lambda pixels: hole * (total_weight * pixels - _neighbours(pixels)), hole * _neighbours(kept)
    )
    randoms = torch.randn(kept.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).numpy()
    return torch.from_numpy(filled + noise * hole * randoms).permute(2, 0, 1).to(image.dtype)


def pointing_game(heat: Tensor, mask: Tensor) -> bool:
    """Whether the hottest pixel, or one of several, lies on the mask [H, W] (Zhang et al. 2016, arXiv:1608.00507)."""
    heat, mask = _checked_mask(heat, mask)
    return bool(mask[heat == heat.max()].any())


def heat_share(heat: Tensor, mask: Tensor) -> float:
    """How much of the positive heat lies on the mask [H, W], 0..1. Compare it with the area share of the mask."""
    heat, mask = _checked_mask(heat, mask)
    positive = heat.clamp(min=0).double()
    if positive.sum() == 0:
        raise ValueError("expected a map with positive evidence, got one without: it has no share to measure")
    return float(positive[mask].sum() / positive.sum())


_WEIGHTS = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], float) / 12


def _neighbours(pixels):
    """The weighted sum of the eight neighbours inside the photo: [H, W, c] → [H, W, c]."""
    return cv2.filter2D(pixels, -1, _WEIGHTS, borderType=cv2.BORDER_CONSTANT).reshape(pixels.shape)


def _solve(operator, right, tolerance=1e-6, iterations=10_000):
    """Conjugate gradients for operator(x) = right, all colours side by side: the operator treats them alike."""
    solution, residual = np.zeros_like(right), right.copy()
    direction, energy = residual.copy(), (residual**2).sum()
    goal = tolerance**2 * max(energy, 1e-300)
    for _ in range(iterations):
        if energy <= goal:
            break
        image = operator(direction)
        step = energy / (direction * image).sum()
        solution, residual = solution + step * direction, residual - step * image
        energy, last = (residual**2).sum(), energy
        direction = residual + energy / last * direction
    return solution


def _curve(score, start, end, heat, steps):
    """Scores while `start` turns into `end`, hottest pixels first."""
    order = _hottest_first(heat)
    fractions = np.linspace(0, 1, steps + 1)
    scores = []
    for part in np.array_split(fractions, max(1, len(fractions) // BATCH)):
        photos = start.flatten(1).repeat(len(part), 1, 1)  # [n, 3, HW]
        for photo, fraction in zip(photos, part):
            changed = order[: round(fraction * heat.numel())]
            photo[:, changed] = end.flatten(1)[:, changed]
        scores.append(_scores(score, photos.view(len(part), *start.shape)))
    return _as_curve(tuple(fractions), torch.cat(scores))


def _as_curve(fractions, scores):
    scores = scores.double().numpy()
    span = fractions[-1] - fractions[0]
    return Curve(tuple(map(float, fractions)), tuple(scores.tolist()), float(np.trapezoid(scores, fractions) / span))


def _scores(score, images):
    with torch.no_grad():
        parts = [(part, score(part)) for part in images.split(BATCH)]
    for part, scores in parts:
        if scores.shape != (len(part),) or not scores.isfinite().all():
            raise ValueError(f"expected one finite score an image, [{len(part)}], got {scores}")
    return torch.cat([scores for _, scores in parts]).cpu()


def _hottest_first(heat):
    return heat.flatten().argsort(descending=True, stable=True)


def _checked(image, heat):
    _refuse_degenerate(heat)
    if image.ndim != 3 or image.shape[-2:] != heat.shape:
        raise ValueError(
            f"expected an image [3, {heat.shape[0]}, {heat.shape[1]}] for this map, got {list(image.shape)}"
        )
    return image.detach().cpu(), heat.detach().cpu()


def _checked_mask(heat, mask):
    _refuse_degenerate(heat)
    mask = torch.as_tensor(mask)
    if mask.shape != heat.shape or mask.dtype != torch.bool:
        raise ValueError(f"expected a mask of booleans {list(heat.shape)}, got {mask.dtype} {list(mask.shape)}")
    if not mask.any():
        raise ValueError("expected a mask with something on it, got an empty one")
    return heat.detach().cpu(), mask.cpu()


def _refuse_degenerate(heat):
    if not isinstance(heat, Tensor) or heat.ndim != 2:
        got = list(heat.shape) if isinstance(heat, Tensor) else type(heat).__name__
        raise ValueError(f"expected one heatmap [H, W], got {got}")
    state = state_of(heat)
    if state != "evidence":
        raise ValueError(f"this map is {state}: it ranks no pixel before another, so nothing can be measured with it")


def _probabilities(before, after):
    before, after = np.asarray(before, float), np.asarray(after, float)
    if before.shape != after.shape or before.ndim != 1 or not len(before):
        raise ValueError(
            "expected probabilities before and after of as many images, "
            f"got {list(before.shape)} and {list(after.shape)}"
        )
    finite = np.isfinite(before).all() and np.isfinite(after).all()
    if not (finite and (before > 0).all() and (after >= 0).all() and max(before.max(), after.max()) <= 1):
        raise ValueError("expected probabilities: above 0 before, from 0 to 1 after")
    return before, after
