"""What is explained: a class, the predicted class, a mixture of classes, a contrast of two, or any scalar of the outputs."""

from collections.abc import Callable

import torch
from torch import Tensor

Target = int | str | tuple | Callable[[Tensor], Tensor]


def as_targets(targets) -> tuple[Target, ...]:
    """Spell `targets` as a tuple of K targets: None is `("predicted",)`, a single target is a tuple of one."""
    if targets is None:
        return ("predicted",)
    if _is_single(targets):
        return (targets,)
    if isinstance(targets, Tensor):
        targets = targets.tolist()
    targets = tuple(targets)
    if not targets:
        raise ValueError("expected at least one target, got none: pass None for each image's predicted class")
    return targets


def cotangents(outputs: Tensor, targets: tuple[Target, ...]) -> Tensor:
    """d target / d outputs for every target: [K, *outputs.shape], detached.

    A one-hot row is a class; a row of softmax probabilities, held constant, is the mixture Σ pᵢ·logitᵢ;
    e_a − e_b asks "why a and not b"; a callable `outputs → [B]` is differentiated.
    Raises ValueError for a class the model does not have, TypeError for something that is no target.
    """
    outputs = outputs.detach()
    return torch.stack([_cotangent(outputs, target) for target in targets])


def _is_single(targets) -> bool:
    return (
        isinstance(targets, (int, str))
        or callable(targets)
        or (isinstance(targets, tuple) and targets[:1] == ("contrast",))
    )


def _cotangent(outputs, target):
    if callable(target):
        return _derivative(outputs, target)
    if outputs.ndim != 2:
        raise ValueError(
            f"expected logits [B, N] for the target {target!r}, got outputs of shape {list(outputs.shape)}: pass a callable outputs → [B]"
        )
    if target == "predicted":
        return _one_hot(outputs, outputs.argmax(1))
    if target == "mixture":
        return outputs.softmax(1)
    if isinstance(target, tuple) and len(target) == 3 and target[0] == "contrast":
        return _one_hot(outputs, _label(outputs, target[1])) - _one_hot(outputs, _label(outputs, target[2]))
    return _one_hot(outputs, _label(outputs, target))


def _derivative(outputs, target):
    with torch.enable_grad():
        leaf = outputs.clone().requires_grad_()
        value = target(leaf)
        if not isinstance(value, Tensor) or value.shape != outputs.shape[:1]:
            got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(
                f"expected the target to give one number per image, shape [{len(outputs)}], got {got}: reduce over everything but the batch"
            )
        return torch.autograd.grad(value.sum(), leaf)[0]


def _label(outputs, label):
    if isinstance(label, bool) or not isinstance(label, int):
        raise TypeError(
            f'expected a target: a class number, "predicted", "mixture", ("contrast", a, b) or a callable; got {label!r}'
        )
    classes = outputs.shape[1]
    if not 0 <= label < classes:
        raise ValueError(f"expected a class from 0 to {classes - 1}, got {label}: the model has {classes} outputs")
    return torch.full((len(outputs),), label, device=outputs.device)


def _one_hot(outputs, labels):
    return torch.zeros_like(outputs).scatter_(1, labels[:, None], 1)
