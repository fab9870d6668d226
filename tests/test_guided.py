"""Guided Backpropagation against the classic hooks, and its refusal to be silently something else."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradcam import Explainer, guided_backpropagation, guided_grad_cam


def classic(network, images, target):
    """The textbook way: a backward hook on every ReLU module that clamps what it passes back."""
    handles = [
        module.register_full_backward_hook(lambda module, into, out: (into[0].clamp(min=0),))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    leaf = images.clone().requires_grad_()
    network(leaf)[:, target].sum().backward()
    for handle in handles:
        handle.remove()
    network.zero_grad()
    return leaf.grad


def test_it_equals_the_classic_hooks(network, images):
    network, images = network.double(), images.double()
    guided = guided_backpropagation(network, images, [0, 2])
    assert guided.shape == (2, 2, 3, 16, 16)
    for k, target in enumerate([0, 2]):
        torch.testing.assert_close(guided[:, k], classic(network, images, target), rtol=1e-10, atol=1e-14)


def test_by_hand():
    """y = 2·relu(x₁) − 3·relu(x₂), x = (1, 1): plain gradient (2, −3), guided (2, 0)."""

    class Two(nn.Module):
        def forward(self, x):
            return (torch.relu(x).flatten(1) * torch.tensor([2.0, -3.0])).sum(1, keepdim=True)

    assert guided_backpropagation(Two(), torch.ones(1, 1, 1, 2), 0).flatten().tolist() == [2, 0]


@pytest.mark.parametrize(
    "relu",
    [
        torch.relu,
        F.relu,
        torch.Tensor.relu,
        lambda x: F.relu(x, inplace=True),
        lambda x: x.relu_(),
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        F.relu6,
    ],
)
def test_every_spelling_of_relu_is_guided(relu):
    class Spelled(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)

        def forward(self, x):
            return self.second(relu(self.first(x) * 0.9)).mean((2, 3))

    torch.manual_seed(1)
    images, model = torch.randn(2, 3, 9, 9), Spelled()
    with torch.no_grad():
        kept = (model.first(images) * 0.9 > 0).float()
    back = F.conv_transpose2d(torch.full((2, 1, 5, 5), 1 / 25.0), model.second.weight[:1]).clamp(min=0) * kept * 0.9
    torch.testing.assert_close(
        guided_backpropagation(model, images, 0)[:, 0], F.conv_transpose2d(back, model.first.weight).detach()
    )


@pytest.mark.parametrize(
    "activation",
    [nn.GELU(), nn.SiLU(), nn.LeakyReLU(), nn.ELU(), nn.Sigmoid(), nn.Tanh(), nn.Hardswish(), nn.Hardtanh()],
)
def test_other_activations_are_refused(activation, images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), activation, nn.Flatten(), nn.Linear(784, 2))
    with pytest.raises(ValueError, match="defined for ReLU"):
        guided_backpropagation(model, images, 0)


def test_a_model_without_relu_is_refused(images):
    with pytest.raises(ValueError, match="plain gradient"):
        guided_backpropagation(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 2)), images, 0)


def test_guided_grad_cam_is_the_product(network, images):
    product = guided_grad_cam(network, images, [1, 3])
    heat = Explainer(network, "6").explain(images, [1, 3]).heatmaps
    torch.testing.assert_close(product, guided_backpropagation(network, images, [1, 3]) * heat)
    torch.testing.assert_close(
        guided_grad_cam(network, images, [1, 3], "3"),
        guided_backpropagation(network, images, [1, 3]) * Explainer(network, "3").explain(images, [1, 3]).heatmaps,
    )
