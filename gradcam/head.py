"""The head that CAM needs, outputs linear in a global average pool: found, and verified by computing the outputs."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .model_copy import ModelCopies


def pooled_weights(model: nn.Module, activation: Tensor, outputs: Tensor) -> Tensor | None:
    """The weight [N, C] with which the outputs [B, N] read the average of `activation` [B, C, h, w], or None.

    Candidates are the weights of the model's modules that have the shape of a Linear's or a 1×1 convolution's —
    before the average or after it is the same —, and the average itself. One is right when weight · average + bias
    gives the outputs, which is what makes CAM exact. It takes no gradient.
    """
    precision = torch.finfo(outputs.dtype).eps
    outputs = outputs.reshape(len(outputs), -1).to(activation.dtype)  # a convolution gives [B, N, 1, 1]
    finite = outputs.isfinite().all(1)
    if not finite.any():
        return None
    average, outputs = activation.flatten(2).mean(2)[finite], outputs[finite]  # [b, C] and [b, N]
    for weight, bias in _candidates(model, average, outputs):
        if _gives_outputs(outputs, average, weight, bias, precision):
            return weight
    return None


def no_pooled_weights(layer: str) -> str:
    """The error message for CAM at a layer that has no such weights."""
    return (
        "CAM needs a layer whose global average feeds one Linear or 1×1 convolution that gives the outputs; "
        f"{layer!r} is not one: name the last layer before the average (its ReLU, where there is one), or use Grad-CAM"
    )


def _candidates(model, average, outputs) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights [N, C] and biases [N] of the right shape, of a copy in eval mode: in training, reading changes some."""
    labels, channels = outputs.shape[1], average.shape[1]
    no_bias = outputs.new_zeros(labels)
    if labels == channels:
        yield torch.eye(labels).to(outputs), no_bias
    with ModelCopies(model).borrow() as borrowed:
        for module in borrowed.root.modules():
            tensors = _tensors(module)
            size = labels * channels
            weights = [one for one in tensors if one.shape[:2] == (labels, channels) and one.numel() == size]
            biases = [one for one in tensors if weights and one.shape == (labels,)]
            for weight in weights:
                for bias in (*biases, no_bias):
                    yield weight.detach().reshape(labels, channels).to(outputs), bias.detach().to(outputs)


def _tensors(module):
    names = dict.fromkeys(("weight", "bias", *module._parameters, *getattr(module, "parametrizations", ())))
    values = (getattr(module, name, None) for name in names)
    return [tensor for tensor in values if isinstance(tensor, Tensor) and tensor.is_floating_point()]


def _gives_outputs(outputs, average, weight, bias, precision):
    """Whether weight · average + bias is the outputs, as far as a sum of terms rounded to `precision` can tell."""
    rounding = 4 * precision * (average**2 @ weight.T**2 + bias**2).sqrt()  # [b, N]
    tolerance = 1e-3 * outputs.abs() + 1e-4 * outputs.abs().max() + rounding
    return bool(((average @ weight.T + bias - outputs).abs() <= tolerance).all())
