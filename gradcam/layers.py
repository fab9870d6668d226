"""The layers to read: found by name or module, or suggested with reasons."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .forward_pass import Layer
from .images import as_batch
from .model_copy import ModelCopies


@dataclass(frozen=True)
class Suggestion:
    name: str
    shape: tuple[int, ...]  # of the layer's output: [B, C, h, w]
    reason: str


def find_layers(model: nn.Module, layers=None) -> tuple[Layer, ...]:
    """The given layers in their order; None is every Conv2d in the order of the model's definition.

    Raises ValueError for a layer that is not the model's, or named twice; TypeError for something that names no layer.
    """
    if layers is None:
        layers = _convolutions(model)
    if isinstance(layers, (str, nn.Module)) or _is_call(layers):
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


def suggest_layers(model: nn.Module, images: Tensor) -> tuple[Suggestion, ...]:
    """The convolutions worth reading, shallow to deep: the last that ran at each resolution.

    The last of all comes last. One forward pass over `images` [B, 3, H, W] tells the order in which layers run, which
    their definition does not.
    Convolutions without an area ([B, C, 1, 1], as in squeeze-and-excitation) show no place and are left out.
    """
    convolutions, before_linears = _recorded_order(model, images)
    last = {shape[-2:]: (name, shape) for name, shape in convolutions if shape[-2:] != (1, 1)}
    if not last:
        raise ValueError(
            "expected a model that runs Conv2d layers with an area, found none: "
            "name the layers to read and pass reshape"
        )
    last_run = {name: index for index, (name, _) in enumerate(convolutions)}
    in_order = sorted(last.values(), key=lambda entry: last_run[entry[0]])
    behind = sum(before >= len(convolutions) for before in before_linears)
    on_tokens = behind if behind > len(convolutions) else 0
    return tuple(
        Suggestion(name, shape, _reason(shape, (name, shape) == in_order[-1], on_tokens)) for name, shape in in_order
    )


def _recorded_order(model, images):
    """The convolutions in the order in which they run, each with its output's shape: [(name, shape)].

    And for each Linear that puts out more than one row an image, how many convolutions had run before it.
    """
    convolutions, before_linears = [], []

    def note_convolution(name, shape):
        convolutions.append((name, shape))

    def note_linear(name, shape):
        if len(shape) > 2:
            before_linears.append(len(convolutions))

    def attach(root):
        convolutions.clear()
        before_linears.clear()
        notes = {nn.Conv2d: note_convolution, nn.Linear: note_linear}
        return [
            module.register_forward_hook(
                lambda module, args, output, name=name, note=note: note(name, tuple(output.shape))
            )
            for name, module in root.named_modules()
            for kind, note in notes.items()
            if isinstance(module, kind)
        ]

    with torch.inference_mode(False), torch.no_grad(), ModelCopies(model).borrow() as borrowed:
        borrowed.forward(as_batch(images, model), attach)
    return convolutions, before_linears


def _reason(shape, is_last, linears_on_tokens):
    maps = f"{shape[1]} maps of {shape[2]} × {shape[3]}"
    if is_last and linears_on_tokens:
        return (
            f"the last convolution to run ({maps}), but most of the model's knowledge is behind it, in "
            f"{linears_on_tokens} Linear layers on tokens: name a layer there and pass reshape"
        )
    if is_last:
        return f"the last convolution to run ({maps}): the most of the model's knowledge that still has a place"
    return f"the last convolution to run at this resolution ({maps})"


def _is_call(layer):
    """Whether a layer is given as (layer, call)."""
    return isinstance(layer, tuple) and len(layer) == 2 and isinstance(layer[1], int) and not isinstance(layer[1], bool)


def _find(layer, modules):
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
    return TypeError(f"expected a layer's name or module, or (layer, call), got {type(value).__name__}")


def _without_compiler(name):
    """The name that a layer had before torch.compile put a module around it."""
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _listed(names, most=40):
    nonempty = [name for name in names if name]
    return ", ".join(nonempty[:most]) + (f" and {len(nonempty) - most} more" if len(nonempty) > most else "")
