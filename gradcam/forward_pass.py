"""One forward pass that records the activations of chosen layers for differentiation, or replaces them."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from .arrangement import Arrangement
from .model_copy import BorrowedCopy

# In torch's errors for a forward that works only without gradients:
NO_GRADIENTS = ("modified inplace", "in-place operation", "does not require grad")


@dataclass(frozen=True)
class Layer:
    """A layer to read: a module by its name and, where it runs several times in one forward, which of its calls."""

    name: str
    call: int | None = None
    arrangement: Arrangement | None = field(default=None, compare=False)  # of the maps in its output, where known

    def __str__(self):
        return self.name if self.call is None else f"{self.name}[{self.call}]"


@dataclass(frozen=True)
class Recording:
    outputs: Tensor  # [B, N], or whatever shape the model gives
    activations: tuple[Tensor, ...]  # per layer [B, C, h, w]; `outputs` can be differentiated with respect to each


def record(borrowed: BorrowedCopy, layers: tuple[Layer, ...], images: Tensor, order_for: int = 0) -> Recording:
    """Run the model once on `images` and record the output of each of the `layers`. Call it with gradients enabled.

    The graph starts at the shallowest recorded layer: below it nothing needs a gradient, so nothing is kept.
    order_for: how many targets to lay the images out for in memory (see `BorrowedCopy.forward`).
    Raises ValueError when a layer did not run, or ran several times where no call is named.
    """
    outputs, calls = _run(borrowed, layers, images, order_for, _hook_calls)
    if not all(calls.values()):  # perhaps a forward was called directly, which runs no hooks
        outputs, calls = _run(borrowed, layers, images, order_for, _wrap_forward)
    return Recording(outputs, tuple(_recorded(layer, calls[layer.name]) for layer in layers))


def _run(borrowed, layers, images, order_for, observe):
    calls = {layer.name: [] for layer in layers}

    def attach(root):
        for activations in calls.values():
            activations.clear()
        modules = [(root.get_submodule(name), _record(name, activations)) for name, activations in calls.items()]
        return [handle for module, hook in modules for handle in (*_require_grad(module), *observe(module, hook))]

    try:
        return logits_of(borrowed.forward(images, attach, order_for=order_for)), calls
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_GRADIENTS):
            raise
        reason = str(error).partition(". ")[0]
    raise ValueError(
        f"expected a forward pass that can be recorded for its gradients, but torch says: {reason}. "
        "Choose a layer behind that place, or change the operation"
    )


def outputs_with(borrowed: BorrowedCopy, layer: Layer, images: Tensor, activation: Tensor) -> Tensor:
    """The model's outputs for `images` when `layer` puts out `activation` in place of its own; no gradient."""

    def attach(root):
        return _hook_calls(root.get_submodule(layer.name), _replace(layer, activation))

    with torch.no_grad():
        return logits_of(borrowed.forward(images, attach))


def logits_of(outputs) -> Tensor:
    """The logits in a model's outputs: the tensor itself, `.logits`, entry "logits" or "out", or first in a tuple."""
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
        "expected a model that returns logits as a tensor, `.logits`, an entry 'logits' or 'out', or first in a tuple; "
        f"got {kind}: wrap the model so that it does"
    )


def _hook_calls(module, hook):
    return [module.register_forward_hook(hook)]


def _require_grad(module):
    """The output requires a gradient before the user's own hooks see it: one may keep it for the forward to use."""

    def hook(module, args, output):
        tensor, rewrap = unwrapped(output, type(module).__name__)
        if not tensor.requires_grad and tensor.is_floating_point() and not tensor.is_inference():
            return rewrap(tensor.detach().requires_grad_().clone())
        return None  # the output as it is

    return [module.register_forward_hook(hook, prepend=True)] if module._forward_hooks else []


def _wrap_forward(module, hook):
    """Call the hook after every run of a module's forward, even one that bypasses `__call__`."""
    run = module.forward

    def forward(*args, **kwargs):
        return hook(module, args, run(*args, **kwargs))

    attributes = vars(module)
    before = attributes.get("forward")
    attributes["forward"] = forward
    return [_ForwardHandle(attributes, before)]


class _ForwardHandle:
    """Restores a module's forward, like torch's handles of hooks."""

    def __init__(self, attributes, before):
        self._attributes, self._before = attributes, before

    def remove(self):
        if self._before is None:
            del self._attributes["forward"]
        else:
            self._attributes["forward"] = self._before


def _record(name, activations):
    def hook(module, args, output):
        tensor, rewrap = unwrapped(output, name)
        if is_functorch_wrapped_tensor(tensor):
            raise ValueError(
                f"expected layer {name!r} to run by itself, but it runs inside torch.vmap or the like: "
                "choose a layer outside of that"
            )
        if tensor.is_inference() or not tensor.is_floating_point():
            raise ValueError(
                f"expected layer {name!r} to put out floating-point numbers that have a gradient, got "
                f"{tensor.dtype}{' in inference mode' if tensor.is_inference() else ''}: choose another layer"
            )
        # Only what follows a recorded layer requires a gradient, so the first layers reached are made leaves here.
        activation = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
        activations.append(activation)
        # The network continues with a copy: an in-place ReLU after the layer would otherwise overwrite the record.
        with torch.enable_grad():  # a layer may be the last inside a no_grad of the model's own
            return rewrap(activation.clone())

    return hook


def _replace(layer, activation):
    calls = itertools.count()

    def hook(module, args, output):
        call = next(calls)
        if layer.call is None or layer.call == call:
            return unwrapped(output, layer.name)[1](activation)
        return output

    return hook


def unwrapped(output, name):
    """The tensor in a layer's output, and a function that wraps another one alike: transformer blocks return tuples."""
    if isinstance(output, Tensor):
        return output, lambda tensor: tensor
    if type(output) in (tuple, list) and output and isinstance(output[0], Tensor):
        return output[0], lambda tensor: type(output)((tensor, *output[1:]))
    raise TypeError(
        f"expected layer {name!r} to put out a tensor, got {type(output).__name__}: choose a layer inside it"
    )


def _recorded(layer, activations):
    """The activation of the layer's call out of those of all its calls."""
    calls = len(activations)
    if not calls:
        raise ValueError(
            f"expected every layer to run in the forward pass, but {layer.name!r} did not run: "
            "leave it out or choose another layer"
        )
    if layer.call is None and calls > 1:
        raise ValueError(
            f"expected every layer to run once, but {layer.name!r} ran {calls} times: "
            f"choose a call, as in ({layer.name!r}, 0)"
        )
    if layer.call is not None and layer.call >= calls:
        raise ValueError(
            f"expected call {layer.call} of layer {layer.name!r}, but it ran {calls} times: calls are counted from 0"
        )
    return activations[layer.call or 0]
