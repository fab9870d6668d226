"""The head CAM was made for: a global average of the maps, then one Linear — found, and proven by its own arithmetic."""

import torch
from torch import Tensor, nn


def pooled_linear(model: nn.Module, activation: Tensor, outputs: Tensor, layer: str) -> Tensor:
    """The weight [N, C] of the Linear that reads the average of `activation` [B, C, h, w].

    Raises ValueError unless Linear(average of the activation) gives the model's outputs [B, N], which is what makes CAM true.
    """
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for linear in linears:
        weight = linear.weight.detach().to(activation.dtype)
        if weight.shape == (outputs.shape[-1], activation.shape[1]):
            bias = 0 if linear.bias is None else linear.bias.detach().to(activation.dtype)
            pooled = activation.mean((-2, -1)) @ weight.T + bias  # [B, N]
            if torch.allclose(pooled, outputs.to(activation.dtype), rtol=1e-3, atol=1e-4 * float(outputs.abs().max())):
                return weight
    raise ValueError(
        f"CAM needs a layer whose global average feeds one Linear that gives the outputs; {layer!r} is not one: "
        "name the last layer before the average (its ReLU, where there is one), or use Grad-CAM"
    )
