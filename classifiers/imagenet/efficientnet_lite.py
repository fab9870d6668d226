"""EfficientNet-Lite0: a convolutional network for a thousand everyday things, small enough to come with the app.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019 (arXiv:1905.11946), table 1;
the Lite variant leaves out squeeze-and-excitation and swish, uses ReLU6, and scales neither stem nor head.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3  # of the batch normalisation, as in TensorFlow, where the weights come from
STEM, HEAD = 32, 1280  # channels


class Stage(NamedTuple):
    expansion: int  # how many times wider a block is inside
    channels: int
    blocks: int
    stride: int  # of its first block
    kernel: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow pads: ceil(side / stride) places; the odd one lies below and right."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name that nn.Conv2d's callers know)
        pads = [
            max((-(-side // stride) - 1) * stride + kernel - side, 0)
            for side, kernel, stride in zip(input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1])
        ]  # width, then height
        left_right_top_bottom = [part for pad in pads for part in (pad // 2, pad - pad // 2)]
        return super().forward(functional.pad(input, left_right_top_bottom))


def convolution(channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True):
    """Convolution, batch normalisation and, unless it ends a block, ReLU6."""
    layers: list[nn.Module] = [
        SameConv2d(channels, out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out, EPSILON),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if active else nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Widen, look around in each channel by itself, narrow; added to what came in where the shape stays.

    Sandler et al., MobileNetV2, 2018 (arXiv:1801.04381), figure 3.
    """

    def __init__(self, channels: int, stage: Stage, stride: int):
        super().__init__()
        wide = channels * stage.expansion
        self.expand = convolution(channels, wide) if stage.expansion > 1 else nn.Identity()
        self.depthwise = convolution(wide, wide, stage.kernel, stride, groups=wide)
        self.project = convolution(wide, stage.channels, active=False)
        self.residual = stride == 1 and channels == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Images [B, 3, 224, 224] → logits [B, 1000]. Modules: stem, stages.0 … stages.6, head, classifier."""

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.stem = convolution(3, STEM, 3, 2)
        channels = [STEM, *(stage.channels for stage in STAGES)]
        self.stages = nn.Sequential(*(_stage(before, stage) for before, stage in zip(channels, STAGES)))
        self.head = convolution(channels[-1], HEAD)
        self.classifier = nn.Linear(HEAD, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.head(self.stages(self.stem(images)))  # [B, 1280, 7, 7]
        return self.classifier(maps.mean((2, 3)))


def _stage(channels, stage):
    first = InvertedResidual(channels, stage, stage.stride)
    return nn.Sequential(first, *(InvertedResidual(stage.channels, stage, 1) for _ in range(stage.blocks - 1)))


def load_published(network: EfficientNetLite0, state: dict[str, Tensor]) -> EfficientNetLite0:
    """The network with the published state dict, whose entries come in the same order under other names.

    Raises ValueError where an entry's shape is not the network's: then it is another file.
    """
    own = network.state_dict()
    if len(own) != len(state):
        raise ValueError(f"expected {len(own)} entries of EfficientNet-Lite0, the file holds {len(state)}")
    for (name, tensor), (published, values) in zip(own.items(), state.items()):
        if tensor.shape != values.shape:
            raise ValueError(f"expected {name} {tuple(tensor.shape)}, the file's {published} is {tuple(values.shape)}")
    network.load_state_dict(OrderedDict(zip(own, state.values())), assign=True)
    return network.requires_grad_(requires_grad=False)


def read_published(path) -> EfficientNetLite0:
    """The network in eval mode with the weights of a published file, which is read as tensors only."""
    with torch.device("meta"):
        network = EfficientNetLite0()
    return load_published(network, torch.load(path, map_location="cpu", weights_only=True)).eval()
