"""Which layers to read: found by name or module, and suggested with reasons."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .recording import Layer
from .replica import replicate


@dataclass(frozen=True)
class Suggestion:
    name: str
    shape: tuple[int, ...]  # what the layer puts out: [B, C, h, w]
    reason: str


def find_layers(model: nn.Module, layers=None) -> tuple[Layer, ...]:
    """The layers asked for, in the order asked for; None is every Conv2d in the order of the model's definition.

    Raises ValueError for a layer that is not the model's, or named twice; TypeError for something that names no layer.
    """
    names = {module: name for name, module in model.named_modules()}
    if layers is None:
        layers = [name for module, name in names.items() if isinstance(module, nn.Conv2d)]
        if not layers:
            raise ValueError("expected a model with Conv2d layers, found none: name the layers to read")
    if isinstance(layers, (str, nn.Module)) or _is_call(layers):
        layers = [layers]
    found = tuple(_find(layer, names) for layer in layers)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"expected each layer once and at least one, got {list(map(str, found))}")
    return found


def suggest_layers(model: nn.Module, images: Tensor) -> tuple[Suggestion, ...]:
    """The convolutions worth reading, shallow to deep: the last that ran at each resolution. The last of all comes last.

    One forward pass over `images` [B, 3, H, W] tells the order in which layers run, which their definition does not.
    Convolutions without an area ([B, C, 1, 1], as in squeeze-and-excitation) show no place and are left out.
    """
    replica, ran = replicate(model), []
    for name, module in replica.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda module, args, output, name=name: ran.append((name, tuple(output.shape)))
            )
    with torch.no_grad():
        replica(images)
    last = {shape[-2:]: (name, shape) for name, shape in ran if shape[-2:] != (1, 1)}
    if not last:
        raise ValueError(
            "expected a model that runs Conv2d layers with an area, found none: name the layers to read and pass reshape"
        )
    in_order = sorted(
        last.values(), key=lambda entry: max(index for index, (name, _) in enumerate(ran) if name == entry[0])
    )
    return tuple(
        Suggestion(name, shape, _reason(shape, is_last=(name, shape) == in_order[-1])) for name, shape in in_order
    )


def _reason(shape, is_last):
    maps = f"{shape[1]} maps of {shape[2]} × {shape[3]}"
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
    if isinstance(layer, nn.Module):
        if layer not in names:
            raise ValueError(f"expected a layer of this model, got a {type(layer).__name__} that is not part of it")
        return names[layer]
    if not isinstance(layer, str):
        raise TypeError(f"expected a layer's name or module, or (layer, call), got {type(layer).__name__}")
    if layer not in names.values():
        raise ValueError(
            f"expected a layer of this model, got {layer!r}; it has {', '.join(name for name in names.values() if name)}"
        )
    return layer
