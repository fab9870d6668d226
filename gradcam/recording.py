"""One forward pass that keeps the activations of chosen layers, ready to be differentiated — or puts others in their place."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .replica import replicate


@dataclass(frozen=True)
class Layer:
    """Where to read: a module by its name and, where it runs several times in one forward, which of its calls."""

    name: str
    call: int | None = None

    def __str__(self):
        return self.name if self.call is None else f"{self.name}[{self.call}]"


@dataclass(frozen=True)
class Recording:
    outputs: Tensor  # [B, N], or whatever shape the model gives
    activations: tuple[Tensor, ...]  # per layer [B, C, h, w]; `outputs` can be differentiated with respect to each


def record(model: nn.Module, layers: tuple[Layer, ...], images: Tensor) -> Recording:
    """Run `model` once on `images` and keep what each of the `layers` put out. Call it with gradients enabled.

    The graph starts at the shallowest recorded layer: below it nothing needs a gradient, so nothing is kept.
    Raises ValueError when a layer did not run, or ran more often than its name can tell apart.
    """
    replica = replicate(model)
    calls = {name: [] for name in dict.fromkeys(layer.name for layer in layers)}
    for name, kept in calls.items():
        replica.get_submodule(name).register_forward_hook(_keep(name, kept))
    outputs = logits_of(replica(images))
    return Recording(outputs, tuple(_chosen(layer, calls[layer.name]) for layer in layers))


def outputs_with(model: nn.Module, layer: Layer, images: Tensor, activation: Tensor) -> Tensor:
    """The model's outputs for `images` when `layer` puts out `activation` in place of its own; no gradient."""
    replica = replicate(model)
    replica.get_submodule(layer.name).register_forward_hook(_replace(layer, activation))
    with torch.no_grad():
        return logits_of(replica(images))


def logits_of(outputs) -> Tensor:
    """The tensor of logits in what a model returned: itself, `.logits`, the entry "logits" or "out", or the first of a tuple."""
    if isinstance(outputs, Tensor):
        return outputs
    if isinstance(getattr(outputs, "logits", None), Tensor):
        return outputs.logits
    if isinstance(outputs, Mapping):
        for key in ("logits", "out"):
            if isinstance(outputs.get(key), Tensor):
                return outputs[key]
    if isinstance(outputs, (tuple, list)) and outputs and isinstance(outputs[0], Tensor):
        return outputs[0]
    kind = f"{type(outputs).__name__} with {list(outputs)}" if isinstance(outputs, Mapping) else type(outputs).__name__
    raise TypeError(
        f"expected a model that returns logits as a tensor, `.logits`, an entry 'logits' or 'out', or first in a tuple; got {kind}: wrap the model so that it does"
    )


def _keep(name, kept):
    def hook(module, args, output):
        tensor, put_back = _opened(output, name)
        # Only what follows a recorded layer requires a gradient, so the first layers reached are made leaves here.
        activation = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
        kept.append(activation)
        # The network goes on with a copy: an in-place ReLU next door would otherwise overwrite what was recorded.
        return put_back(activation.clone())

    return hook


def _replace(layer, activation):
    seen = []

    def hook(module, args, output):
        seen.append(1)
        if layer.call is None or layer.call == len(seen) - 1:
            return _opened(output, layer.name)[1](activation)
        return output

    return hook


def _opened(output, name):
    """The tensor in a layer's output, and how to wrap another one alike: transformers' blocks put out tuples."""
    if isinstance(output, Tensor):
        return output, lambda tensor: tensor
    if type(output) is tuple and output and isinstance(output[0], Tensor):
        return output[0], lambda tensor: (tensor, *output[1:])
    raise TypeError(
        f"expected layer {name!r} to put out a tensor, got {type(output).__name__}: choose a layer inside it"
    )


def _chosen(layer, kept):
    if not kept:
        raise ValueError(
            f"expected every layer to run in the forward pass, but {layer.name!r} did not: leave it out or choose another layer"
        )
    if layer.call is None and len(kept) > 1:
        raise ValueError(
            f"expected every layer to run once, but {layer.name!r} ran {len(kept)} times: choose a call, as in ({layer.name!r}, 0)"
        )
    if layer.call is not None and layer.call >= len(kept):
        raise ValueError(
            f"expected call {layer.call} of layer {layer.name!r}, but it ran {len(kept)} times: calls are counted from 0"
        )
    return kept[layer.call or 0]
