"""What is explained: a class, the predicted one, the runners-up, a mixture, a contrast, or any number made of the outputs."""

from collections.abc import Callable

import torch
from torch import Tensor

Target = int | str | tuple | Callable[[Tensor], Tensor]

WHAT = (
    '"predicted", "mixture", a class number, ("top", k), ("against", a), ("contrast", a, b) or a callable outputs → [B]'
)


def as_targets(targets) -> tuple[Target, ...]:
    """Spell `targets` as a tuple of K targets: None is `("predicted",)`, one target is a tuple of one, top k are k ranks."""
    if targets is None:
        return ("predicted",)
    if isinstance(targets, Tensor):
        targets = targets.tolist()
    if _is_single(targets):
        targets = (targets,)
    spelled = tuple(one for target in targets for one in _ranks(target))
    if not spelled:
        raise ValueError("expected at least one target, got none: pass None for each image's predicted class")
    return spelled


def cotangents(outputs: Tensor, targets: tuple[Target, ...]) -> Tensor:
    """d target / d outputs for every target: [K, *outputs.shape], detached.

    A one-hot row is a class; a row of softmax probabilities, held constant, is the mixture Σ pᵢ·logitᵢ;
    e_a − e_b asks "why a and not b"; −e_a asks what speaks against a (the paper's counterfactual, sec. 3.3);
    a callable `outputs → [B]` is differentiated.
    Raises ValueError for a class the model does not have, TypeError for something that is no target.
    """
    outputs = outputs.detach()
    return torch.stack([_cotangent(outputs, target) for target in targets])


def scores(outputs: Tensor, reference: Tensor, targets: tuple[Target, ...]) -> Tensor:
    """The targets' values for n other `outputs` [n, N], as they are meant for one image's own outputs `reference` [1, N]: [K, n].

    What depends on the image — its predicted class, its ranks, its mixture's probabilities — stays that of the reference.
    """
    return torch.stack([_score(outputs, reference, target) for target in targets])


def _is_single(targets) -> bool:
    return (
        isinstance(targets, (int, str))
        or callable(targets)
        or (
            isinstance(targets, tuple)
            and bool(targets)
            and isinstance(targets[0], str)
            and targets[0] not in ("predicted", "mixture")
        )
    )


def _ranks(target):
    if not (isinstance(target, tuple) and len(target) == 2 and target[0] == "top"):
        return [target]
    if isinstance(target[1], bool) or not isinstance(target[1], int) or target[1] < 1:
        raise ValueError(f'expected ("top", k) with k of at least 1, got {target!r}')
    return [("rank", place) for place in range(target[1])]


def _score(outputs, reference, target):
    if callable(target):
        return target(outputs)
    return (_cotangent(reference, target) * outputs).sum(1)


def _cotangent(outputs, target):
    if callable(target):
        return _derivative(outputs, target)
    if outputs.ndim != 2:
        raise ValueError(
            f"expected logits [B, N] for the target {target!r}, got outputs of shape {list(outputs.shape)}: pass a callable outputs → [B]"
        )
    match target:
        case "predicted":
            return _one_hot(outputs, outputs.argmax(1))
        case "mixture":
            return outputs.softmax(1)
        case ("rank", place):
            return _one_hot(outputs, outputs.argsort(1, descending=True, stable=True)[:, _class(outputs, place)])
        case ("against", label):
            return -_one_hot(outputs, _labels(outputs, label))
        case ("contrast", label, other):
            return _one_hot(outputs, _labels(outputs, label)) - _one_hot(outputs, _labels(outputs, other))
        case _:
            return _one_hot(outputs, _labels(outputs, target))


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


def _class(outputs, label):
    if isinstance(label, bool) or not isinstance(label, int):
        raise TypeError(f"expected a target out of {WHAT}; got {label!r}")
    classes = outputs.shape[1]
    if not 0 <= label < classes:
        raise ValueError(f"expected a class from 0 to {classes - 1}, got {label}: the model has {classes} outputs")
    return label


def _labels(outputs, label):
    return torch.full((len(outputs),), _class(outputs, label), device=outputs.device)


def _one_hot(outputs, labels):
    return torch.zeros_like(outputs).scatter_(1, labels[:, None], 1)
