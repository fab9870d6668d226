"""Occlusion: how much of the score is lost when a patch of the photo is covered. No gradient, many forward passes."""

import torch
from torch import Tensor, nn

from .forward_pass import logits_of
from .images import as_batch
from .memory import in_halves
from .model_copy import ModelCopies
from .targets import as_targets, scores
from .variant_passes import PassCounter, Progress, VariantPasses, variants_per_batch

GREY = 0.5  # the paper covers with grey; for images in 0..1


def occlusion(
    model: nn.Module,
    image: Tensor,
    target=None,
    patch: int = 32,
    stride: int = 16,
    fill: Tensor | float = GREY,
    *,
    signed: bool = False,
    progress: Progress | None = None,
    at_once: int | None = None,
) -> Tensor:
    """How much of the target's score falls away under a square of `fill`, [H, W], for one image [3, H, W].

    fill: a number, or an image [3, H, W] of which each square is taken.

    Zeiler & Fergus 2014, arXiv:1311.2901, sec. 4.2. The square of side `patch` moves by `stride`; a last one lies flush
    with the far edge. Each pixel gets the mean fall over all squares that cover it, in units of the target.

    target, signed, progress, at_once: as for `Explainer.explain`; one target. Raises ValueError for other shapes, for a
    patch that does not fit, and for a stride that would leave pixels uncovered; Cancelled when `progress` returns
    False. The model is left unchanged.
    """
    images, targets = _batch_of_one(image, model), as_targets(target)
    if len(targets) != 1:
        raise ValueError(f"expected one target, got {len(targets)}")
    height, width = images.shape[-2:]
    corners = positions(height, width, patch, stride)
    counter = PassCounter(progress, 1)
    counter.expect(1 + len(corners))

    def cover(some):
        return _covered(images, some, patch, fill)

    falls = _falls(ModelCopies(model), images, targets, cover, corners, counter, at_once)
    heat = _mean_over_squares(falls.float().cpu(), corners, patch, (height, width))
    return heat if signed else heat.relu()


def positions(height: int, width: int, patch: int, stride: int) -> list[tuple[int, int]]:
    """The squares' top left corners, row by row: every pixel of the image is under at least one."""
    if not 0 < patch <= min(height, width):
        raise ValueError(f"expected a patch of 1 to {min(height, width)} pixels for this image, got {patch}")
    if not 0 < stride <= patch:
        raise ValueError(f"expected a stride of 1 to {patch} pixels, so that every pixel is covered, got {stride}")
    return [(top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)]


def _starts(length, patch, stride):
    last = length - patch
    return sorted({*range(0, last + 1, stride), last})


def _batch_of_one(image, model):
    if not isinstance(image, Tensor) or image.ndim != 3:
        got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"expected one image [3, H, W], got {got}")
    return as_batch(image[None], model)


def _falls(copies, images, targets, cover, corners, counter, at_once):
    """By how much the target's score is lower with a square at each of the corners: [n]."""

    def outputs(photos):
        with torch.inference_mode(False), torch.no_grad(), copies.borrow() as borrowed:
            return logits_of(borrowed.forward(photos))

    before = outputs(images)  # [1, N]
    counter.count(1)
    whole = scores(before, before, targets)[0]  # [1]
    passes = VariantPasses(outputs, (images,), 0, before[0], mixes=None if at_once is None else False)

    def falls(some):
        lost = whole - scores(passes.outputs_of((cover(some),)), before, targets)[0]
        counter.count(len(some))
        return lost

    size = variants_per_batch(images.device, at_once)
    batches = [corners[start : start + size] for start in range(0, len(corners), size)]
    return torch.cat([part for some in batches for part in in_halves(falls, some)])


def _covered(images, corners, patch, fill):
    """The photo [1, 3, H, W] once for each corner, with a square of `fill` there."""
    covered = images.repeat(len(corners), 1, 1, 1)
    for photo, (top, left) in zip(covered, corners):
        square = slice(top, top + patch), slice(left, left + patch)
        photo[(slice(None), *square)] = fill[(slice(None), *square)] if isinstance(fill, Tensor) else fill
    return covered


def _mean_over_squares(falls, corners, patch, size):
    total, squares = torch.zeros(size), torch.zeros(size)
    for fall, (top, left) in zip(falls, corners):
        total[top : top + patch, left : left + patch] += fall
        squares[top : top + patch, left : left + patch] += 1
    return total / squares
