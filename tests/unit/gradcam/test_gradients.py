"""The product by blocks equals PyTorch's and is used for thin matrices; custom backward functions are supported."""

import warnings

import pytest
import torch
from torch import nn

from gradcam import Explainer
from gradcam.gradients import _SparseProducts


@pytest.mark.parametrize("rows", [1, 4, 32])
def test_the_product_by_blocks_equals_the_plain_product(rows):
    generator = torch.Generator().manual_seed(0)
    sparse = torch.randn(rows, 37, generator=generator, dtype=torch.float64)
    sparse[:, ::3] = 0  # inactive hidden units
    weights = torch.randn(37, 40_000, generator=generator, dtype=torch.float64)
    mode = _SparseProducts()
    calls = []
    mode._by_blocks = lambda *args: calls.append(1) or _SparseProducts._by_blocks(mode, *args)
    with mode:
        product = sparse @ weights
    assert calls == [1]
    torch.testing.assert_close(product, sparse @ weights, rtol=1e-12, atol=1e-12)


def test_zero_rows_give_zeros():
    with _SparseProducts():
        assert torch.equal(torch.zeros(4, 30) @ torch.rand(30, 40_000), torch.zeros(4, 40_000))


class Doubled(torch.autograd.Function):
    """A custom backward, which `vmap` cannot batch."""

    @staticmethod
    def forward(context, x):
        return 2 * x

    @staticmethod
    def backward(context, gradient):
        return 2 * gradient


class DoubleLayer(nn.Module):
    def forward(self, x):
        return Doubled.apply(x)


class PlainDouble(nn.Module):
    def forward(self, x):
        return 2 * x


def test_a_backward_without_vmap_support_gives_the_same_maps(images):
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 4, 3), nn.ReLU()], [nn.Flatten(), nn.Linear(4 * 14 * 14, 5)]
    with_custom, plain = (nn.Sequential(*body[0], middle, *body[1]) for middle in (DoubleLayer(), PlainDouble()))
    result, expected = (
        Explainer(model, "0").explain(images, [0, 3, "mixture"], signed=True).heatmaps for model in (with_custom, plain)
    )
    torch.testing.assert_close(result, expected)


def test_an_error_in_the_models_backward_is_propagated(images):
    class Broken(Doubled):
        @staticmethod
        def backward(context, gradient):
            raise RuntimeError("the model's own error")

    class BrokenLayer(nn.Module):
        def forward(self, x):
            return Broken.apply(x)

    with pytest.raises(RuntimeError, match="own error"):
        Explainer(nn.Sequential(nn.Conv2d(3, 4, 3), BrokenLayer(), nn.Flatten(), nn.Linear(784, 2)), "0").explain(
            images, 0
        )


def test_rows_of_one_class_each_take_its_weights():
    """Without a product, which is what is measured: no row of weights is multiplied with a zero."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(300, 300, generator=generator)
    rows = torch.zeros(200, 300)
    classes = torch.randint(300, (200,), generator=generator)
    rows[torch.arange(200), classes] = torch.randn(200, generator=generator)
    weights[~torch.isin(torch.arange(300), classes)] = torch.nan  # whoever reads them has NaN
    with _SparseProducts():
        product = rows @ weights
    torch.testing.assert_close(product, weights[classes] * rows.sum(1, keepdim=True), rtol=0, atol=0)
    rows[7, (classes[7] + 1) % 300] = 1e-3
    rows[7, classes[7]] = 0
    rows[8, classes[7]] = 1e-3
    weights.nan_to_num_(0.5)
    with _SparseProducts():
        torch.testing.assert_close(rows @ weights, (rows.double() @ weights.double()).float(), rtol=1e-5, atol=1e-6)


class Attention(nn.Module):
    """Its backward on a CPU has no batching rule in torch 2.13: `vmap` loops, and warns."""

    def __init__(self):
        super().__init__()
        self.stem, self.qkv, self.head = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 48), nn.Linear(16, 5)

    def forward(self, x):
        query, key, value = self.qkv(self.stem(x).flatten(2).mT)[:, None].chunk(3, -1)
        return self.head(nn.functional.scaled_dot_product_attention(query, key, value)[:, 0].mean(1))


def test_several_targets_behind_attention_warn_of_nothing(images):
    network = Attention().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = Explainer(network, "stem").explain(images, [0, 3], signed=True).heatmaps
    each = [Explainer(network, "stem").explain(images, label, signed=True).heatmaps for label in (0, 3)]
    torch.testing.assert_close(together, torch.cat(each, 1), rtol=1e-4, atol=1e-6)


def test_whoever_uses_vmap_is_told_as_before(images):
    Explainer(Attention().eval(), "stem").explain(images, [0, 3])

    def gradient(cotangent):
        maps = torch.rand(1, 2, 4, 8, requires_grad=True)
        out = nn.functional.scaled_dot_product_attention(maps, maps, maps)
        return torch.autograd.grad(out, maps, cotangent)[0]

    with pytest.warns(UserWarning, match="batching rule"):
        torch.vmap(gradient, randomness="same")(torch.rand(3, 1, 2, 4, 8))
