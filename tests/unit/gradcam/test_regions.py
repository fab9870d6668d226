"""Regions of a map: by hand, and Otsu's rule against scikit-image's."""

import numpy as np
import pytest
import torch
from flooding import largest_by_flooding
from skimage.filters import threshold_otsu

from gradcam import largest_box, regions

HEAT = torch.tensor(
    [
        [0.0, 0.0, 9.0, 10.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 8.0],
        [3.0, 0.0, 0.0, 0.0, 0.0],
        [2.0, 0.0, -5.0, 1.6, 0.0],
    ]
)


def test_a_share_of_the_peak_by_hand():
    """Above 1.5: three pixels that touch at a corner, two below each other, one alone; below zero is in none."""
    found = regions(HEAT)
    assert found.mask.tolist() == [
        [False, False, True, True, False],
        [False, False, False, False, True],
        [True, False, False, False, False],
        [True, False, False, True, False],
    ]
    assert found.boxes == ((2, 0, 5, 2), (0, 2, 1, 4), (3, 3, 4, 4))
    assert regions(HEAT, "20 %").boxes == ((2, 0, 5, 2), (0, 2, 1, 3)), "what equals the share is not above it"
    assert regions(HEAT, "80%").boxes == ((2, 0, 4, 1),)
    assert regions(HEAT, "20 %").mask.dtype == torch.bool


def test_a_percentile_by_hand():
    """The 85th percentile of 20 pixels lies 0.15 of the way from the 17th, 3, to the 18th, 8."""
    assert regions(HEAT, 85).boxes == ((2, 0, 5, 2),)
    assert int(regions(torch.arange(100.0).view(10, 10), 90).mask.sum()) == 10


@pytest.mark.parametrize("seed", range(5))
def test_otsu_is_scikit_images(seed):
    """scikit-image's threshold is the middle of a bin, ours its upper edge: only pixels within the bin may differ."""
    generator = torch.Generator().manual_seed(seed)
    heat = torch.rand(40, 30, generator=generator) ** 3
    heat[5:20, 10:25] += 1
    threshold = threshold_otsu(heat.double().numpy())
    half = (heat.max() - heat.min()).item() / 256 / 2
    sure = (heat - threshold).abs() > half * 1.001
    assert sure.sum() > 0.99 * heat.numel()
    assert torch.equal(regions(heat, "otsu").mask[sure], (heat > threshold)[sure])


def test_empty_constant_and_broken_maps():
    for rule in ("15 %", "otsu", 90):
        for empty in (torch.zeros(4, 5), -torch.rand(4, 5)):
            found = regions(empty, rule)
            assert found.boxes == () and not found.mask.any()
    assert regions(torch.ones(4, 5)).boxes == regions(torch.ones(4, 5), "otsu").boxes == ((0, 0, 5, 4),)
    for broken in (torch.full((4, 5), torch.nan), torch.rand(1, 4, 5), [[1.0]]):
        with pytest.raises(ValueError, match=r"one heatmap \[H, W\] of finite numbers"):
            regions(broken)


@pytest.mark.parametrize("rule", ["150 %", "half", 100, -1, True, None])
def test_unknown_rules_raise_an_error(rule):
    with pytest.raises(ValueError, match="expected a rule like"):
        regions(HEAT, rule)


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_box_by_flooding(seed):
    """Of parts with holes, islands in them, corners that touch, lines and single pixels; and where two are as large."""
    rng = np.random.default_rng(seed)
    for number in range(200):
        heat = rng.random(tuple(rng.integers(1, 24, 2)), np.float32) ** rng.integers(1, 6)
        if number % 3:
            heat = (heat > heat.mean()).astype(np.float32) * (1 if number % 3 == 1 else heat)
        found = regions(torch.from_numpy(heat))
        by_flooding = largest_by_flooding(heat.astype(np.float64) > max(0.15 * float(heat.max()), 0))
        assert largest_box(torch.from_numpy(heat)) == by_flooding == next(iter(found.boxes), None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("peak", [1.0, 0.7, 1e-30, 3e38])
def test_what_lies_at_the_threshold_is_outside(peak, dtype):
    """Single precision is compared with a share in double precision: the floats around it on either side."""
    numpy_type = np.float32 if dtype == torch.float32 else np.float64
    at = numpy_type(0.15 * float(numpy_type(peak)))
    values = [numpy_type(peak), *(np.nextafter(at, numpy_type(to)) for to in (0, np.inf)), at]
    heat = torch.from_numpy(np.array([values], numpy_type).repeat(3, 0))
    exact = [float(value) > 0.15 * float(values[0]) for value in values]
    assert regions(heat).mask.tolist() == [exact] * 3


@pytest.mark.parametrize("rule", ["15 %", "otsu", 90.0])
def test_an_empty_map_has_no_largest_box(rule):
    assert largest_box(torch.zeros(4, 5), rule) is None
