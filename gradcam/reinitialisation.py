"""A layer's weights drawn anew, and proof that they are: plain, parametrized, tied, or made by hooks."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm

from .copying import Copier
from .random_numbers import OwnDice

SETTLING = 15  # steps in which spectral norm gets to know a new weight: its estimate starts from the old one's


def refuse_what_cannot_be_drawn(model: nn.Module) -> None:
    """Raises ValueError for weights out of reach: lazy ones never run, on the meta device, quantised, or scripted."""
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
        copy = Copier(private=frozenset(map(id, model.parameters()))).copy(model)
    for module, own in zip(model.modules(), copy.modules()):
        own.training = module.training
    for weight, own in zip(model.parameters(), copy.parameters()):
        own.requires_grad_(weight.requires_grad)
    return copy


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules that hold weights themselves, by name, in the order of definition.

    The model itself goes by the names of its weights. What parametrizes a weight belongs to the layer that has the
    weight. Running statistics count as weights where `reset_parameters` forgets them.
    """
    parametrized = [module.parametrizations for module in model.modules() if is_parametrized(module)]
    inside = {part for parametrizations in parametrized for part in parametrizations.modules()}
    return {
        name or ", ".join(_held(module)) or type(module).__name__: module
        for name, module in model.named_modules()
        if module not in inside and (_held(module) or (_can_reset(module) and list(module.buffers(recurse=False))))
    }


def randomise(name: str, layer: nn.Module, dice: OwnDice) -> None:
    """Draw a layer's weights anew: as its `reset_parameters` does; at random where that leaves one or there is none.

    At random means from a normal distribution with the mean and the spread that the weight had; where its values are
    all the same, with their size as spread, or 1. What `reset_parameters` leaves is spared where it has several values,
    all the same: training never moved it, as with the ones of a fresh batch normalisation. A parametrized weight is
    given new values through its parametrization; where that knows no way back, what the weight is made of is drawn.
    Raises ValueError when a parametrized weight is the same as before after all that.
    """
    with torch.inference_mode(False), torch.no_grad(), dice:
        before = {key: weight.clone() for key, weight in _weights(layer).items()}
        if _can_reset(layer):
            layer.reset_parameters()
        for key, parameter in layer.named_parameters(recurse=False):
            spared = _can_reset(layer) and parameter.numel() > 1 and _is_constant(parameter)
            if parameter.numel() and torch.equal(parameter, before[key]) and not spared:
                parameter.copy_(_redrawn(parameter))
        for key in _parametrized(layer):
            _assign(layer, key, _redrawn(before[key]))
        _settle(layer)
        same = [key for key in _parametrized(layer) if torch.equal(getattr(layer, key), before[key])]
    if same:
        raise ValueError(f"layer {name!r} cannot be randomised: its {same[0]} is the same whatever it is made of")


def _held(layer):
    """The names of a layer's own weights. In training, asking for a parametrized one itself changes its estimates."""
    return [key for key, one in layer.named_parameters(recurse=False) if one.numel()] + _parametrized(layer)


def _weights(layer):
    """A layer's own weights by name, parametrized ones as they are used."""
    return {key: getattr(layer, key) for key in _held(layer)}


def _parametrized(layer):
    return list(layer.parametrizations) if is_parametrized(layer) else []


def _assign(layer, key, weight):
    try:
        setattr(layer, key, weight)
    except (
        RuntimeError,
        ValueError,
        TypeError,
    ):  # no way back, which some say with NotImplementedError, a RuntimeError
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


def _settle(layer):
    """Let spectral norm find the new weight's norm, as it does in training."""
    if is_parametrized(layer):
        training = layer.parametrizations.training
        layer.parametrizations.train()
        for _ in range(SETTLING):
            _weights(layer)
        layer.parametrizations.train(training)
    for hook in layer._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            for _ in range(SETTLING):
                hook.compute_weight(layer, do_power_iteration=True)
