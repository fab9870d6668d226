"""The oracle of Grad-CAM: the paper's equations as a loop, one class and one layer at a time; and a model's state, to be compared."""

import copy

import torch
from torch.nn import functional as F


def loop_grad_cam(network, layer, images, target):
    """Grad-CAM as the paper tells it, for one class at one layer: [B, H, W]. A forward and a backward of its own."""
    kept = {}
    handle = network.get_submodule(layer).register_forward_hook(
        lambda module, args, output: kept.update(activation=output)
    )
    logits = network(images)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, target].sum(), kept["activation"])
    heat = torch.zeros(len(images), *gradient.shape[2:], dtype=images.dtype)
    for image in range(len(images)):
        for channel in range(gradient.shape[1]):
            alpha = gradient[image, channel].sum() / gradient[image, channel].numel()
            heat[image] += alpha * kept["activation"][image, channel].detach()
    heat = heat.clamp(min=0)[:, None]
    return F.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def state_of(model):
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": [
            len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
            for module in model.modules()
        ],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "tensors": copy.deepcopy({name: value for name, value in model.state_dict().items()}),
        "attributes": [sorted(vars(module)) for module in model.modules()],
    }


def assert_same(before, after):
    for key in before:
        for one, other in (
            zip(before[key].values(), after[key].values())
            if isinstance(before[key], dict)
            else zip(before[key], after[key])
        ):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other, key
