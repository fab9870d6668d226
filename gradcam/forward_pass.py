"""One forward pass that keeps the activations of chosen layers, ready to be differentiated — or puts others in their place."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .model_copy import Lent

NO_GRADIENTS = (
    "modified inplace",
    "in-place operation",
    "does not require grad",
)  # in what torch says where a forward works without only


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


def record(lent: Lent, layers: tuple[Layer, ...], images: Tensor) -> Recording:
    """Run the model once on `images` and keep what each of the `layers` put out. Call it with gradients enabled.

    The graph starts at the shallowest recorded layer: below it nothing needs a gradient, so nothing is kept.
    Raises ValueError when a layer did not run, or ran more often than its name can tell apart.
    """
    outputs, calls = _run(lent, layers, images, _at_calls)
    if not all(calls.values()):  # perhaps a forward was run past the module's own call, which no hook hears of
        outputs, calls = _run(lent, layers, images, _at_forwards)
    return Recording(outputs, tuple(_chosen(layer, calls[layer.name]) for layer in layers))


def _run(lent, layers, images, listen):
    calls = {layer.name: [] for layer in layers}

    def attach(root):
        for kept in calls.values():
            kept.clear()
        modules = [(root.get_submodule(name), _keep(name, kept)) for name, kept in calls.items()]
        return [handle for module, hook in modules for handle in (*_from_here_on(module), *listen(module, hook))]

    try:
        return logits_of(lent.forward(images, attach)), calls
    except RuntimeError as error:
        if not any(words in str(error) for words in NO_GRADIENTS):
            raise
        words = str(error).partition(". ")[0]
    raise ValueError(
        f"expected a forward pass that can be recorded for its gradients, but torch says: {words}. Choose a layer behind that place, or "
        "change the operation"
    )


def outputs_with(lent: Lent, layer: Layer, images: Tensor, activation: Tensor) -> Tensor:
    """The model's outputs for `images` when `layer` puts out `activation` in place of its own; no gradient."""

    def attach(root):
        return _at_calls(root.get_submodule(layer.name), _replace(layer, activation))

    with torch.no_grad():
        return logits_of(lent.forward(images, attach))


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
        "expected a model that returns logits as a tensor, `.logits`, an entry 'logits' or 'out', or first in a tuple; "
        f"got {kind}: wrap the model so that it does"
    )


def _at_calls(module, hook):
    return [module.register_forward_hook(hook)]


def _from_here_on(module):
    """What the layer puts out requires a gradient before hooks of the user's own see it: one may keep it for the forward to use."""

    def hook(module, args, output):
        tensor, put_back = _opened(output, type(module).__name__)
        if not tensor.requires_grad and tensor.is_floating_point() and not tensor.is_inference():
            return put_back(tensor.detach().requires_grad_().clone())

    return [module.register_forward_hook(hook, prepend=True)] if module._forward_hooks else []


def _at_forwards(module, hook):
    """Hear of every run of a module's forward, however it is called."""
    run = module.forward

    def forward(*args, **kwargs):
        return hook(module, args, run(*args, **kwargs))

    own = vars(module)
    before = own.get("forward")
    own["forward"] = forward
    return [_Handle(own, before)]


class _Handle:
    """Puts a module's forward back, as torch's handles do with hooks."""

    def __init__(self, own, before):
        self._own, self._before = own, before

    def remove(self):
        if self._before is None:
            del self._own["forward"]
        else:
            self._own["forward"] = self._before


def _keep(name, kept):
    def hook(module, args, output):
        tensor, put_back = _opened(output, name)
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            raise ValueError(
                f"expected layer {name!r} to run by itself, but it runs inside torch.vmap or the like: choose a layer outside of that"
            )
        if tensor.is_inference() or not tensor.is_floating_point():
            raise ValueError(
                f"expected layer {name!r} to put out floating-point numbers that have a gradient, got "
                f"{tensor.dtype}{' in inference mode' if tensor.is_inference() else ''}: choose another layer"
            )
        # Only what follows a recorded layer requires a gradient, so the first layers reached are made leaves here.
        activation = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
        kept.append(activation)
        # The network goes on with a copy: an in-place ReLU next door would otherwise overwrite what was recorded.
        with torch.enable_grad():  # a layer may be the last inside a no_grad of the model's own
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
    if type(output) in (tuple, list) and output and isinstance(output[0], Tensor):
        return output[0], lambda tensor: type(output)((tensor, *output[1:]))
    raise TypeError(
        f"expected layer {name!r} to put out a tensor, got {type(output).__name__}: choose a layer inside it"
    )


def _chosen(layer, kept):
    if not kept:
        raise ValueError(
            f"expected every layer to run in the forward pass, but {layer.name!r} did not run: leave it out or choose another layer"
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
