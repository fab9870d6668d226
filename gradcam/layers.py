"""Which layers to read: found by name or module, and suggested with reasons."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .forward_pass import Layer
from .images import as_batch
from .model_copy import Replicas


@dataclass(frozen=True)
class Suggestion:
    name: str
    shape: tuple[int, ...]  # what the layer puts out: [B, C, h, w]
    reason: str


def find_layers(model: nn.Module, layers=None) -> tuple[Layer, ...]:
    """The layers asked for, in the order asked for; None is every Conv2d in the order of the model's definition.

    Raises ValueError for a layer that is not the model's, or named twice; TypeError for something that names no layer.
    """
    if layers is None:
        layers = _convolutions(model)
    if isinstance(layers, (str, nn.Module)) or _is_call(layers):
        layers = [layers]
    if not isinstance(layers, Iterable):
        raise _no_layer(layers)
    names = dict(model.named_modules(remove_duplicate=False))
    found = tuple(_find(layer, names) for layer in layers)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"expected each layer once and at least one, got {list(map(str, found))}")
    return found


def _convolutions(model):
    """Every Conv2d in the order of the model's definition, by name; in a model without, every Conv3d, or else every Conv1d."""
    for kind in (nn.Conv2d, nn.Conv3d, nn.Conv1d):
        if found := [name for name, module in model.named_modules() if isinstance(module, kind)]:
            return found
    raise ValueError("expected a model with Conv2d layers, found none: name the layers to read")


def suggest_layers(model: nn.Module, images: Tensor) -> tuple[Suggestion, ...]:
    """The convolutions worth reading, shallow to deep: the last that ran at each resolution. The last of all comes last.

    One forward pass over `images` [B, 3, H, W] tells the order in which layers run, which their definition does not.
    Convolutions without an area ([B, C, 1, 1], as in squeeze-and-excitation) show no place and are left out.
    """
    ran = []  # (name, shape of what it put out)
    on_tokens = []  # how many convolutions had run before each Linear that puts out more than one row an image

    def note(name, shape):
        ran.append((name, shape))

    def note_tokens(name, shape):
        if len(shape) > 2:
            on_tokens.append(len(ran))

    def attach(root):
        ran.clear()
        on_tokens.clear()
        notes = {nn.Conv2d: note, nn.Linear: note_tokens}
        return [
            module.register_forward_hook(lambda module, args, output, name=name, to=to: to(name, tuple(output.shape)))
            for name, module in root.named_modules()
            for kind, to in notes.items()
            if isinstance(module, kind)
        ]

    with torch.inference_mode(False), torch.no_grad(), Replicas(model).lend() as lent:
        lent.forward(as_batch(images, model), attach)
    last = {shape[-2:]: (name, shape) for name, shape in ran if shape[-2:] != (1, 1)}
    if not last:
        raise ValueError(
            "expected a model that runs Conv2d layers with an area, found none: name the layers to read and pass reshape"
        )
    in_order = sorted(
        last.values(), key=lambda entry: max(index for index, (name, _) in enumerate(ran) if name == entry[0])
    )
    behind = sum(convolutions >= len(ran) for convolutions in on_tokens)
    return tuple(
        Suggestion(name, shape, _reason(shape, (name, shape) == in_order[-1], behind if behind > len(ran) else 0))
        for name, shape in in_order
    )


def _reason(shape, is_last, layers_on_tokens):
    maps = f"{shape[1]} maps of {shape[2]} × {shape[3]}"
    if is_last and layers_on_tokens:
        return (
            f"the last convolution to run ({maps}), but most of the model's knowledge is behind it, in {layers_on_tokens} "
            "Linear layers on tokens: name a layer there and pass reshape"
        )
    if is_last:
        return f"the last convolution to run ({maps}): the most of the model's knowledge that still has a place"
    return f"the last convolution to run at this resolution ({maps})"


def _is_call(layer):
    return isinstance(layer, tuple) and len(layer) == 2 and isinstance(layer[1], int) and not isinstance(layer[1], bool)


def _find(layer, names):
    if _is_call(layer):
        if layer[1] < 0:
            raise ValueError(f"expected a call counted from 0, got {layer!r}")
        return Layer(_name(layer[0], names), layer[1])
    return Layer(_name(layer, names))


def _name(layer, names):
    """The name of a layer, as it is asked for if it has several. names: each of the model's, with the module."""
    if isinstance(layer, nn.Module):
        name = next((name for name, module in names.items() if module is layer), None)
        if name is None:
            raise ValueError(f"expected a layer of this model, got a {type(layer).__name__} that is not part of it")
    elif not isinstance(layer, str):
        raise _no_layer(layer)
    else:
        name = next((name for name in names if layer in (name, _uncompiled(name))), None)
        if name is None:
            raise ValueError(f"expected a layer of this model, got {layer!r}; it has {_listed(names)}")
    if isinstance(names[name], torch.jit.ScriptModule):
        raise TypeError(
            f"expected a layer in Python, got {name!r}, which is TorchScript and cannot be read: choose a layer around it"
        )
    return name


def _no_layer(value):
    return TypeError(f"expected a layer's name or module, or (layer, call), got {type(value).__name__}")


def _uncompiled(name):
    """The name that a layer had before torch.compile put a module around it."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _listed(names, most=40):
    there = [name for name in names if name]
    return ", ".join(there[:most]) + (f" and {len(there) - most} more" if len(there) > most else "")
