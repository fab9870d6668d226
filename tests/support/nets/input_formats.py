"""Other image shapes than [B, 3, H, W], other precisions, memory layouts and process settings."""

import torch
from torch import nn

from .case import CONVS, Small, initialised, register, register_variant, small

AXES_ERROR = r"\[B, C|\[B, 3|Conv1d|Conv3d|axes|dimensions"


def _convolutional(conv, pool):
    model = nn.Sequential()
    for name, part in {
        "conv1": conv(2, 4, 3),
        "act": nn.ReLU(),
        "conv2": conv(4, 5, 3),
        "act2": nn.ReLU(),
        "pool": pool(1),
        "flat": nn.Flatten(),
        "head": nn.Linear(5, 4),
    }.items():
        model.add_module(name, part)
    return initialised(model)


@register(CONVS, shape=(2, 2, 24), error=AXES_ERROR, maps_allowed=True)
def one_axis():
    """Conv1d over sensors, ECG and sound: [B, C, l]."""
    return _convolutional(nn.Conv1d, nn.AdaptiveAvgPool1d)


@register(CONVS, shape=(2, 2, 7, 8, 9), error=AXES_ERROR, maps_allowed=True)
def three_axes():
    """Conv3d over CT volumes and clips: [B, C, d, h, w]."""
    return _convolutional(nn.Conv3d, nn.AdaptiveAvgPool3d)


@register(CONVS, shape=(2, 1, 9, 13))
def one_channel():
    """Grey pictures, X-rays, spectrograms; not square."""
    return initialised(Small(inputs=1))


@register(CONVS, shape=(1, 6, 11, 10))
def six_channels():
    """Two pictures or spectral bands stacked."""
    return initialised(Small(inputs=6))


@register("conv2", shape=(2, 10, 10, 3), error=r"\[B, H, W|\[B, 3|channels|shape|axes", maps_allowed=True)
class ImagesChannelsLast(Small):
    """A network that takes [B, H, W, 3], as models ported from TensorFlow do."""

    def forward(self, x):
        return super().forward(x.movedim(-1, 1))


@register(("conv1", "conv2"), shape=(1, 3, 65, 6))
class ElongatedImages(Small):
    """Images ten times as high as wide."""


@register("conv2", shape=(2, 3, 5, 5))
class OnePixelMaps(Small):
    """A layer whose maps are 1 × 1: one number per map, without a position."""


@register(CONVS, targets=(0,))
class OneOutput(Small):
    """A single logit: binary classifiers, steering angles."""

    def __init__(self):
        super().__init__(outputs=1)


@register(CONVS, targets=(0, 999))
class ThousandOutputs(Small):
    """A thousand classes, of which two are explained."""

    def __init__(self):
        super().__init__(outputs=1000)


@register(CONVS, dtype=torch.float32, tolerance=2e-5)
def single_precision():
    """The usual precision."""
    return small().float()


def _rounded(dtype):
    """Weights rounded to `dtype`, computing in float64: the outputs without rounding in between."""
    return small().to(dtype).double()


# Each step forward and back rounds to one part in 2**8 (bfloat16) or 2**11 (float16); there are about twenty in a row.
@register(
    CONVS,
    dtype=torch.bfloat16,
    tolerance=20 * 2**-8,
    oracle_build=lambda: _rounded(torch.bfloat16),
    oracle_dtype=torch.float64,
)
def bfloat16():
    """Weights and images in bfloat16."""
    return small().to(torch.bfloat16)


@register(
    CONVS,
    dtype=torch.float16,
    tolerance=20 * 2**-11,
    oracle_build=lambda: _rounded(torch.float16),
    oracle_dtype=torch.float64,
)
def float16():
    """Weights and images in float16."""
    return small().to(torch.float16)


@register(CONVS)
def channels_last():
    """`model.to(memory_format=torch.channels_last)`, for speed."""
    return small().to(memory_format=torch.channels_last)


@register(CONVS, dtype=torch.float32, tolerance=2e-5)
class Mixed(Small):
    """The first convolution in float32, the rest in float64: mixed precision by hand."""

    def __init__(self):
        super().__init__()

    def double(self):
        super().double()
        self.conv1.float()
        return self

    def stem(self, x):
        return self.norm(self.conv1(x).double()).relu()


@register("conv2", dtype=torch.float32, tolerance=2e-5, name="an embedding in double and a network in single precision")
class MixedWithAnEmbedding(Small):
    """The first floating parameter is of another precision than the images' path."""

    def __init__(self):
        table = nn.Parameter(torch.rand(4, dtype=torch.float64))
        super().__init__()
        self.table = table

    def double(self):
        return self

    def top(self, x):
        return super().top(x) + self.table.float()


@register("conv2", dtype=torch.float32, tolerance=20 * 2**-8)
class AutocastInside(Small):
    """`torch.autocast` in the forward: part of it computes in bfloat16."""

    def double(self):
        return self

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x).float()


@register(
    "conv2",
    dtype=torch.float32,
    tolerance=20 * 2**-8,
    context=lambda: torch.autocast("cpu", torch.bfloat16),
    name="the caller under autocast",
)
def under_autocast():
    """Evaluation loops run under autocast."""
    return small().float()


class _DoubleByDefault:
    """A context in which the default precision is float64."""

    def __enter__(self):
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *error):
        torch.set_default_dtype(torch.float32)


@register(CONVS, context=_DoubleByDefault, process_wide=True, name="the default precision is double")
def double_by_default():
    """Scientific code sets torch.set_default_dtype(torch.float64)."""
    return small()


@register(CONVS)
class SparseInside(Small):
    """A sparse matrix inside, as graph layers have."""

    def __init__(self):
        super().__init__()
        self.register_buffer("adjacency", torch.eye(5, dtype=torch.float64).roll(1, 0).to_sparse())

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(torch.sparse.mm(self.adjacency, pooled.T).T)


@register("conv1", error=r"Conv2d|no layers|layer", name="no convolution at all")
class NoConvolution(nn.Module):
    """An MLP over pixels has no maps."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(300, 4)

    def forward(self, x):
        return self.head(x.flatten(1))


register_variant(name="an MLP with reshape", layers=("head",), error=r"maps|reshape")
