"""The layers to read, found in the model by name or module, or as suggested."""

from collections.abc import Iterable

import torch
from torch import nn

from .forward_pass import Layer
from .suggestions import Suggestion


def find_layers(model: nn.Module, layers=None) -> tuple[Layer, ...]:
    """The given layers in their order; None is every Conv2d in the order of the model's definition.

    Raises ValueError for a layer that is not the model's, or named twice; TypeError for something that names no layer.
    """
    if layers is None:
        layers = _convolutions(model)
    if isinstance(layers, (str, nn.Module, Suggestion)) or _is_call(layers):
        layers = [layers]
    if not isinstance(layers, Iterable):
        raise _no_layer(layers)
    modules = dict(model.named_modules(remove_duplicate=False))
    chosen = tuple(_find(layer, modules) for layer in layers)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"expected each layer once and at least one, got {list(map(str, chosen))}")
    return chosen


def _convolutions(model):
    """The names of all Conv2d in the order of definition; in a model without, of all Conv3d, or else all Conv1d."""
    for kind in (nn.Conv2d, nn.Conv3d, nn.Conv1d):
        if names := [name for name, module in model.named_modules() if isinstance(module, kind)]:
            return names
    raise ValueError("expected a model with Conv2d layers, found none: name the layers to read")


def _is_call(layer):
    """Whether a layer is given as (layer, call)."""
    return isinstance(layer, tuple) and len(layer) == 2 and isinstance(layer[1], int) and not isinstance(layer[1], bool)


def _find(layer, modules):
    if isinstance(layer, Suggestion):
        return Layer(_name(layer.name, modules), layer.call, layer.arrangement)
    if _is_call(layer):
        if layer[1] < 0:
            raise ValueError(f"expected a call counted from 0, got {layer!r}")
        return Layer(_name(layer[0], modules), layer[1])
    return Layer(_name(layer, modules))


def _name(layer, modules):
    """A layer's name; the given one where it has several. modules: each of the model's by name."""
    if isinstance(layer, nn.Module):
        name = next((name for name, module in modules.items() if module is layer), None)
        if name is None:
            raise ValueError(f"expected a layer of this model, got a {type(layer).__name__} that is not part of it")
    elif not isinstance(layer, str):
        raise _no_layer(layer)
    else:
        name = next((name for name in modules if layer in (name, _without_compiler(name))), None)
        if name is None:
            raise ValueError(f"expected a layer of this model, got {layer!r}; it has {_listed(modules)}")
    if isinstance(modules[name], torch.jit.ScriptModule):
        raise TypeError(
            f"expected a layer in Python, got {name!r}, which is TorchScript and cannot be read: "
            "choose a layer around it"
        )
    return name


def _no_layer(value):
    return TypeError(f"expected a layer's name or module, (layer, call) or a Suggestion, got {type(value).__name__}")


def _without_compiler(name):
    """The name that a layer had before torch.compile put a module around it."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _listed(names, most=40):
    nonempty = [name for name in names if name]
    return ", ".join(nonempty[:most]) + (f" and {len(nonempty) - most} more" if len(nonempty) > most else "")
