"""Reinitialises a layer's weights and verifies that they changed: plain, parametrized, tied, or made by hooks."""

from typing import Any, cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm

from .copying import copy_model
from .random_numbers import PrivateRandomNumbers

POWER_ITERATIONS = 15  # of spectral norm for a new weight: its estimate starts from the old one's


def require_randomisable(model: nn.Module) -> None:
    """Raises ValueError for weights that have no values (lazy, on the meta device) or are quantised or scripted."""
    for name, parameter in model.named_parameters():
        if is_lazy(parameter) or parameter.is_meta:
            raise ValueError(
                f"expected weights with values, but {name!r} has none yet: load them, or run the model once"
            )
        if not (parameter.is_floating_point() or parameter.is_complex()):
            raise ValueError(
                f"expected floating-point weights, but {name!r} holds {parameter.dtype}: use the model as it was before"
            )
    for name, module in model.named_modules():
        if hasattr(module, "_packed_params"):
            raise ValueError(
                f"expected floating-point weights, but {name!r} is quantised: use the model as it was before"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(f"expected modules in Python, but {name!r} is scripted: use the module it was made from")


def private_copy(model: nn.Module) -> nn.Module:
    """A copy of `model` in the same modes that shares nothing with it; tied weights stay tied."""
    with torch.inference_mode(False):
        copy, _ = copy_model(model, private=frozenset(map(id, model.parameters())))
    for module, copied in zip(model.modules(), copy.modules()):
        copied.training = module.training
    for weight, copied in zip(model.parameters(), copy.parameters()):
        copied.requires_grad_(weight.requires_grad)
    return copy


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules that hold weights themselves, by name, in the order of definition.

    The model itself goes by the names of its weights. What parametrizes a weight belongs to the layer that has the
    weight. Running statistics count as weights where `reset_parameters` resets them.
    """
    parametrized = [_parametrizations(module) for module in model.modules() if is_parametrized(module)]
    inside = {part for parametrizations in parametrized for part in parametrizations.modules()}
    return {
        name or ", ".join(_weight_names(module)) or type(module).__name__: module
        for name, module in model.named_modules()
        if module not in inside
        and (_weight_names(module) or (_can_reset(module) and list(module.buffers(recurse=False))))
    }


def randomise(name: str, layer: nn.Module, random_numbers: PrivateRandomNumbers) -> None:
    """Draw a layer's weights anew: by its `reset_parameters`; at random where that leaves one unchanged or is missing.

    At random means from a normal distribution with the mean and the spread that the weight had; where its values are
    all the same, with their size as spread, or 1. What `reset_parameters` leaves stays as it is where it has several
    values, all the same: training never moved it, as with the ones of a fresh batch normalisation. A parametrized
    weight is given new values through its parametrization; where that has no inverse, what the weight is made of is
    drawn. Raises ValueError when a parametrized weight is the same as before after all that.
    """
    with torch.inference_mode(False), torch.no_grad(), random_numbers:
        before = {key: weight.clone() for key, weight in _weights(layer).items()}
        if _can_reset(layer):
            cast(Any, layer).reset_parameters()
        for key, parameter in layer.named_parameters(recurse=False):
            kept = _can_reset(layer) and parameter.numel() > 1 and _is_constant(parameter)
            if parameter.numel() and torch.equal(parameter, before[key]) and not kept:
                parameter.copy_(_redrawn(parameter))
        for key in _parametrized(layer):
            _assign(layer, key, _redrawn(before[key]))
        _update_spectral_norms(layer)
        same = [key for key in _parametrized(layer) if torch.equal(getattr(layer, key), before[key])]
    if same:
        raise ValueError(f"layer {name!r} cannot be randomised: its {same[0]} is the same whatever it is made of")


def _weight_names(layer):
    """The names of a layer's own weights. In training, reading a parametrized one itself changes its estimates."""
    return [key for key, one in layer.named_parameters(recurse=False) if one.numel()] + _parametrized(layer)


def _weights(layer):
    """A layer's own weights by name, parametrized ones as they are used."""
    return {key: getattr(layer, key) for key in _weight_names(layer)}


def _parametrized(layer):
    """The names of a layer's parametrized weights."""
    return list(_parametrizations(layer)) if is_parametrized(layer) else []


def _parametrizations(layer) -> nn.ModuleDict:
    return layer.parametrizations


def _assign(layer, key, weight):
    try:
        setattr(layer, key, weight)
    except (RuntimeError, ValueError, TypeError):  # no inverse; some raise NotImplementedError, a RuntimeError
        for parameter in layer.parametrizations[key].parameters():
            parameter.copy_(_redrawn(parameter))


def _can_reset(module):
    return hasattr(module, "reset_parameters")


def _is_constant(tensor):
    return bool((tensor == tensor.flatten()[0]).all())


def _redrawn(weight):
    exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
    spread = exact.flatten()[0].abs() if _is_constant(exact) else exact.std(correction=0)
    return (exact.mean() + (spread if spread > 0 else 1) * torch.randn_like(exact)).to(weight.dtype)


def _update_spectral_norms(layer):
    """Let spectral norm estimate the new weight's norm, as it does in training."""
    if is_parametrized(layer):
        training = layer.parametrizations.training
        layer.parametrizations.train()
        for _ in range(POWER_ITERATIONS):
            _weights(layer)
        layer.parametrizations.train(training)
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            for _ in range(POWER_ITERATIONS):
                hook.compute_weight(layer, do_power_iteration=True)
