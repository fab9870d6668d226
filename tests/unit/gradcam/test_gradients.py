"""The thin product equals the library's, and is used where it pays."""

import pytest
import torch
from torch import nn

from gradcam import Explainer
from gradcam.gradients import _ThinProducts


@pytest.mark.parametrize("rows", [1, 4, 32])
def test_the_product_by_blocks_equals_the_plain_one(rows):
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(rows, 37, generator=generator, dtype=torch.float64)
    few[:, ::3] = 0  # hidden units that are switched off
    large = torch.randn(37, 40_000, generator=generator, dtype=torch.float64)
    mode = _ThinProducts()
    used = []
    mode._by_blocks = lambda *args: used.append(1) or _ThinProducts._by_blocks(mode, *args)
    with mode:
        product = few @ large
    assert used == [1]
    torch.testing.assert_close(product, few @ large, rtol=1e-12, atol=1e-12)


def test_all_units_off_gives_zeros():
    with _ThinProducts():
        assert torch.equal(torch.zeros(4, 30) @ torch.rand(30, 40_000), torch.zeros(4, 40_000))


class Doubled(torch.autograd.Function):
    """A backward of the model's own, which `vmap` knows nothing of."""

    @staticmethod
    def forward(context, x):
        return 2 * x

    @staticmethod
    def backward(context, gradient):
        return 2 * gradient


class Double(nn.Module):
    def forward(self, x):
        return Doubled.apply(x)


class Times(nn.Module):
    def forward(self, x):
        return 2 * x


def test_a_backward_that_cannot_be_batched_gives_the_same(images):
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 4, 3), nn.ReLU()], [nn.Flatten(), nn.Linear(4 * 14 * 14, 5)]
    own, plain = (nn.Sequential(*body[0], middle, *body[1]) for middle in (Double(), Times()))
    found, expected = (
        Explainer(model, "0").explain(images, [0, 3, "mixture"], signed=True).heatmaps for model in (own, plain)
    )
    torch.testing.assert_close(found, expected)


def test_a_fault_of_the_models_own_comes_through(images):
    class Broken(Doubled):
        @staticmethod
        def backward(context, gradient):
            raise RuntimeError("the model's own fault")

    class Break(nn.Module):
        def forward(self, x):
            return Broken.apply(x)

    with pytest.raises(RuntimeError, match="own fault"):
        Explainer(nn.Sequential(nn.Conv2d(3, 4, 3), Break(), nn.Flatten(), nn.Linear(784, 2)), "0").explain(images, 0)
