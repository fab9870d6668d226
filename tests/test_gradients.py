"""The thin product equals the library's, and is used where it pays."""

import pytest
import torch

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
