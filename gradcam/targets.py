"""Targets, the numbers that are explained: a class, a label for each image, a mixture, a contrast, or a callable."""

from collections.abc import Callable
from operator import index
from typing import TypeGuard, cast

import torch
from torch import Tensor

Target = int | str | tuple | Callable[[Tensor], Tensor]

WHAT = (
    '"predicted", "mixture", a class number, ("labels", one for each image), ("top", k), ("against", a), '
    '("contrast", a, b), ("finer", a) or a callable outputs → [B]'
)
_WORDS = ("predicted", "mixture")
FINER_SHARE, FINER_CLASSES = 0.6, 3  # Finer-CAM's γ and d


def as_targets(targets, images: int = 1) -> tuple[Target, ...]:
    """Normalise `targets` for so many images to a tuple of K targets.

    None becomes `("predicted",)`, a single target a tuple of one, top k become k ranks. Classes may be any integers,
    numpy's and torch's as well; labels become a tuple of them. Raises ValueError for no target, a k below 1, or another
    number of labels than images; TypeError for what is no target.
    """
    if targets is None:
        return ("predicted",)
    if isinstance(targets, Tensor) or type(targets).__module__ == "numpy":
        targets = targets.tolist()
    if _is_single(targets):
        targets = (targets,)
    try:
        targets = tuple(targets)
    except TypeError:
        raise _no_target(targets) from None
    normalised = tuple(one for target in targets for one in _normalised(target, images))
    if not normalised:
        raise ValueError("expected at least one target, got none: pass None for each image's predicted class")
    return normalised


def of_images(targets: tuple[Target, ...], rows: range) -> tuple[Target, ...]:
    """The same targets for some of the images."""
    return tuple((target[0], target[1][rows.start : rows.stop]) if _has_rows(target) else target for target in targets)


def cotangents(outputs: Tensor, targets: tuple[Target, ...]) -> Tensor:
    """d target / d outputs for every target: [K, *outputs.shape], detached.

    A one-hot row is a class; a row of softmax probabilities, held constant, is the mixture Σ pᵢ·logitᵢ;
    e_a − e_b is "why a and not b"; −e_a is what speaks against a (the paper's counterfactual, sec. 3.3);
    e_a − γ/d · Σ e_b is what tells a from the d classes most like it (see `_finer`);
    a callable `outputs → [B]` is differentiated.
    Raises ValueError for a class the model does not have, TypeError for something that is no target.
    """
    outputs = outputs.detach()
    if len(targets) > 1 and _are_logits(outputs) and all(isinstance(target, int) for target in targets):
        return _classes(outputs, targets)  # a thousand of them in 1 ms in place of 20
    return torch.stack([_cotangent(outputs, target) for target in targets])


def with_fixed_callables(outputs: Tensor, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """The same targets with callables, which may depend on all images, replaced by their derivatives at `outputs`."""
    return tuple(("cotangent", _derivative(outputs.detach(), one)) if callable(one) else one for one in targets)


def scores(outputs: Tensor, reference: Tensor, targets: tuple[Target, ...], image: int = 0) -> Tensor:
    """The targets' values for n other `outputs` [n, N] in place of one image's: [K, n].

    reference: the outputs [B, N] of all images. What depends on the image — its predicted class, its ranks, its label,
    its mixture's probabilities — stays that of the reference; a callable sees the reference with the image's row
    replaced.
    """
    return torch.stack([_score(outputs, reference, target, image) for target in targets])


def _is_single(targets) -> bool:
    if isinstance(targets, tuple) and targets and isinstance(targets[0], str):
        return targets[0] not in _WORDS
    return isinstance(targets, str) or callable(targets) or _is_integer(targets)


def _is_integer(value) -> bool:
    if isinstance(value, bool) or getattr(value, "dtype", None) in (torch.bool, bool):
        return False
    try:
        index(value)
    except TypeError:
        return False
    return True


def _normalised(target, images) -> list[Target]:
    """One target as a list of those it stands for, in Python's own numbers."""
    if callable(target) or isinstance(target, str):
        return [cast(Target, target)]
    if _is_integer(target):
        return [index(target)]
    match target:
        case ("top", k):
            if not _is_integer(k) or index(k) < 1:
                raise ValueError(f'expected ("top", k) with k of at least 1, got {target!r}')
            return [("rank", place) for place in range(index(k))]
        case ("labels", labels):
            return [("labels", _label_of_each(labels, images))]
        case ("finer", label) if _is_integer(label):
            return [("finer", index(label))]
        case ("rank" | "against" | "contrast" as kind, *labels) if labels and all(map(_is_integer, labels)):
            return [(kind, *map(index, labels))]
    raise _no_target(target)


def _label_of_each(labels, images):
    labels = labels.tolist() if hasattr(labels, "tolist") else labels
    if not isinstance(labels, (list, tuple)) or not all(map(_is_integer, labels)):
        raise TypeError(
            'expected ("labels", one class number for each image) as a tensor, an array or a list of integers'
        )
    if len(labels) != images:
        raise ValueError(f"expected one label for each of {images} images, got {len(labels)}")
    return tuple(map(index, labels))


def _no_target(target):
    return TypeError(f"expected a target out of {WHAT}; got {target!r}")


def _has_rows(target: Target) -> TypeGuard[tuple]:
    """Whether a target has one entry for each image."""
    return isinstance(target, tuple) and target[0] in ("labels", "cotangent")


def _score(outputs, reference, target, image):
    if not callable(target):
        cotangent = _cotangent(reference, target)[image]
        return (cotangent * outputs).flatten(1).sum(1)
    values = []
    for row in outputs:
        replaced = reference.clone()
        replaced[image] = row
        values.append(_value(replaced, target)[image])
    return torch.stack(values)


def _cotangent(outputs, target):
    if callable(target):
        return _derivative(outputs, target)
    if isinstance(target, tuple) and target[0] == "cotangent":
        return target[1]
    if not _are_logits(outputs):
        raise ValueError(
            f"expected floating-point logits [B, N] for the target {target!r}, "
            f"got outputs {outputs.dtype} {list(outputs.shape)}: pass a callable outputs → [B]"
        )
    return _cotangent_of_logits(outputs, target)


def _cotangent_of_logits(outputs, target):
    match target:
        case "predicted":
            return _one_hot(outputs, outputs.argmax(1))
        case "mixture":
            return outputs.softmax(1)
        case ("rank", place):
            _check_classes(outputs, place)
            return _one_hot(outputs, outputs.sort(dim=1, descending=True, stable=True).indices[:, place])
        case ("labels", labels):
            _check_classes(outputs, *labels)
            return _one_hot(outputs, torch.tensor(labels, device=outputs.device))
        case ("against", label):
            return -_class(outputs, label)
        case ("contrast", label, other):
            return _class(outputs, label) - _class(outputs, other)
        case ("finer", label):
            return _finer(outputs, label)
        case int():
            return _class(outputs, target)
    raise _no_target(target)


def _finer(outputs, label):
    """yᵃ − γ · (1/d) Σ yᵇ over the d classes b whose logits are nearest to yᵃ, γ = 0.6 and d = 3: rows [B, N].

    Finer-CAM (Zhang et al. 2025, arXiv:2501.11309): the mean of its differences yᵃ − γ·yᵇ. A network of fewer than four
    classes is compared with all others; which classes are nearest is each image's own, and held constant.
    """
    chosen = _class(outputs, label)
    distance = (outputs - outputs[:, label, None]).abs().masked_fill(chosen.bool(), torch.inf)
    count = min(FINER_CLASSES, outputs.shape[1] - 1)
    if not count:
        raise ValueError(f'expected a model with classes to compare with for ("finer", {label}), got one output')
    nearest = distance.sort(dim=1, stable=True).indices[:, :count]
    return chosen.scatter(1, nearest, -FINER_SHARE / count)


def _derivative(outputs, target):
    if not (outputs.is_floating_point() or outputs.is_complex()):
        raise ValueError(
            f"expected outputs that can be differentiated, got {outputs.dtype}: explain what they are made of"
        )
    with torch.enable_grad():
        leaf = outputs.clone().requires_grad_()
        value = _value(leaf.clone(), target)  # a clone: it may write into its argument
        if not value.requires_grad or value.is_complex():
            kind = f"{value.dtype}{'' if value.requires_grad else ' without a gradient'}"
            raise ValueError(
                "expected the target to be a real number that depends on the outputs and can be differentiated, "
                f"got {kind}: leave out argmax, detach and the like"
            )
        gradient = torch.autograd.grad(value.sum(), leaf, allow_unused=True)[0]
        return torch.zeros_like(outputs) if gradient is None else gradient


def _value(outputs, target):
    value = target(outputs)
    if not isinstance(value, Tensor) or value.shape != outputs.shape[:1]:
        got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(
            f"expected the target to give one number per image, shape [{len(outputs)}], got {got}: "
            "reduce over everything but the batch"
        )
    return value


def _check_classes(outputs, *labels):
    classes = outputs.shape[1]
    for label in labels:
        if not 0 <= label < classes:
            raise ValueError(f"expected a class from 0 to {classes - 1}, got {label}: the model has {classes} outputs")


def _are_logits(outputs):
    return outputs.ndim == 2 and outputs.is_floating_point()


def _class(outputs, label):
    return _classes(outputs, (label,))[0]


def _classes(outputs, labels):
    """A one in the column of each label, for all images: [K, B, N]."""
    _check_classes(outputs, *labels)
    cotangents = outputs.new_zeros(len(labels), *outputs.shape)
    cotangents[torch.arange(len(labels)), :, list(labels)] = 1
    return cotangents


def _one_hot(outputs, labels):
    return torch.zeros_like(outputs).scatter_(1, labels[:, None], 1)
