"""Oracle for Grad-CAM: the paper's equations as a loop, one class and layer at a time; and model state to compare."""

import copy

import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)


def loop_grad_cam(network, layer, images, target):
    """Grad-CAM by the paper's equations for one class at one layer: [B, H, W]. Takes one forward and one backward."""
    captured = {}
    handle = network.get_submodule(layer).register_forward_hook(
        lambda module, args, output: captured.update(activation=output)
    )
    logits = network(images)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, target].sum(), captured["activation"])
    heat = torch.zeros(len(images), *gradient.shape[2:], dtype=images.dtype)
    for image in range(len(images)):
        for channel in range(gradient.shape[1]):
            alpha = gradient[image, channel].sum() / gradient[image, channel].numel()
            heat[image] += alpha * captured["activation"][image, channel].detach()
    heat = heat.clamp(min=0)[:, None]
    return F.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def model_state(model):
    """Modes, hook counts, gradients, requires_grad, parameters and buffers, and attribute names."""
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": [
            len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
            for module in model.modules()
        ],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "tensors": copy.deepcopy(dict(model.state_dict())),
        "attributes": [sorted(vars(module)) for module in model.modules()],
    }


def assert_same_state(before, after):
    for key in before:
        old, new = (state[key].values() if isinstance(state[key], dict) else state[key] for state in (before, after))
        for one, other in zip(old, new):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other, key
