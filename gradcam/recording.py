"""One forward pass that keeps the activations of chosen layers, ready to be differentiated."""

from dataclasses import dataclass

from torch import Tensor, nn

from .replica import replicate


@dataclass(frozen=True)
class Recording:
    outputs: Tensor  # [B, N], or whatever shape the model gives
    activations: tuple[Tensor, ...]  # per layer [B, C, h, w]; `outputs` can be differentiated with respect to each


def record(model: nn.Module, layers: tuple[str, ...], images: Tensor) -> Recording:
    """Run `model` once on `images` and keep what each of the named `layers` put out. Call it with gradients enabled.

    The graph starts at the shallowest recorded layer: below it nothing needs a gradient, so nothing is kept.
    Raises ValueError when a layer did not run, or ran more than once.
    """
    replica = replicate(model)
    seen = {name: [] for name in layers}
    for name in layers:
        replica.get_submodule(name).register_forward_hook(_keep(name, seen[name]))
    outputs = replica(images)
    if not isinstance(outputs, Tensor):
        raise TypeError(
            f"expected the model to return a tensor of logits, got {type(outputs).__name__}: wrap the model so that it returns the logits"
        )
    _check_calls(seen)
    return Recording(outputs, tuple(calls[0] for calls in seen.values()))


def _keep(name, calls):
    def hook(module, args, output):
        if not isinstance(output, Tensor):
            raise TypeError(
                f"expected layer {name!r} to put out a tensor, got {type(output).__name__}: choose a layer inside it"
            )
        # Only what follows a recorded layer requires a gradient, so the first layers reached are made leaves here.
        activation = output if output.requires_grad else output.detach().requires_grad_()
        calls.append(activation)
        # The network goes on with a copy: an in-place ReLU next door would otherwise overwrite what was recorded.
        return activation.clone()

    return hook


def _check_calls(seen):
    never = [name for name, calls in seen.items() if not calls]
    if never:
        raise ValueError(
            f"expected every layer to run in the forward pass, but {', '.join(map(repr, never))} did not: leave it out or choose another layer"
        )
    often = [f"{name!r} ran {len(calls)} times" for name, calls in seen.items() if len(calls) > 1]
    if often:
        raise ValueError(
            f"expected every layer to run once, but {', '.join(often)}: one heatmap cannot stand for several activations"
        )
