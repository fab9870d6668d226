"""Well-known architectures with random weights, in a few lines each: only the layers' shapes matter for speed."""

from itertools import pairwise

import torch
from torch import nn


def convolution(into, out, kernel, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)
    )


class Residual(nn.Module):
    def __init__(self, body, shortcut, last):
        super().__init__()
        self.body, self.shortcut, self.last = body, shortcut, last

    def forward(self, x):
        return self.last(self.body(x) + self.shortcut(x))


def shortcut(into, out, stride):
    return nn.Identity() if into == out and stride == 1 else convolution(into, out, 1, stride)


def basic(into, out, stride):
    """ResNet-18's block."""
    body = nn.Sequential(convolution(into, out, 3, stride), nn.ReLU(), convolution(out, out, 3))
    return Residual(body, shortcut(into, out, stride), nn.ReLU())


def bottleneck(into, out, stride):
    """ResNet-50's block."""
    inner = out // 4
    body = nn.Sequential(
        convolution(into, inner, 1),
        nn.ReLU(),
        convolution(inner, inner, 3, stride),
        nn.ReLU(),
        convolution(inner, out, 1),
    )
    return Residual(body, shortcut(into, out, stride), nn.ReLU())


def inverted(into, out, stride):
    """MobileNetV2's block."""
    inner = into * 6
    body = nn.Sequential(
        convolution(into, inner, 1),
        nn.ReLU6(),
        convolution(inner, inner, 3, stride, inner),
        nn.ReLU6(),
        convolution(inner, out, 1),
    )
    return Residual(body, nn.Identity(), nn.Identity()) if into == out and stride == 1 else body


def stages(block, stem, widths, depths, strides):
    layers, into = [], stem
    for width, depth, stride in zip(widths, depths, strides):
        rest = (block(width, width, 1) for _ in range(depth - 1))
        layers.append(nn.Sequential(block(into, width, stride), *rest))
        into = width
    return layers


def resnet(block, widths, depths):
    torch.manual_seed(0)
    stem = nn.Sequential(convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    body = stages(block, 64, widths, depths, (1, 2, 2, 2))
    return nn.Sequential(stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 1000)).eval()


def resnet18():
    return resnet(basic, (64, 128, 256, 512), (2, 2, 2, 2))


def resnet50():
    return resnet(bottleneck, (256, 512, 1024, 2048), (3, 4, 6, 3))


def mobilenet():
    torch.manual_seed(0)
    stem = nn.Sequential(convolution(3, 32, 3, 2), nn.ReLU6())
    body = stages(inverted, 32, (16, 24, 32, 64, 96, 160, 320), (1, 2, 3, 4, 3, 3, 1), (1, 2, 2, 2, 1, 2, 1))
    return nn.Sequential(stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(320, 1000)).eval()


class UNet(nn.Module):
    """The U-Net of Ronneberger et al. 2015 scaled down: five resolutions, 16 to 256 channels, 21 classes per pixel."""

    WIDTHS = (16, 32, 64, 128, 256)

    def __init__(self):
        super().__init__()
        widths = self.WIDTHS
        self.down = nn.ModuleList(double(into, out) for into, out in zip((3, *widths[:3]), widths[:4]))
        self.pool, self.bottleneck = nn.MaxPool2d(2), double(widths[3], widths[4])
        self.up = nn.ModuleList(nn.ConvTranspose2d(into, out, 2, 2) for out, into in pairwise(widths))
        self.merge = nn.ModuleList(double(2 * width, width) for width in widths[:4])
        self.head = nn.Conv2d(widths[0], 21, 1)

    def forward(self, x):
        skips = []
        for down in self.down:
            skips.append(down(x))
            x = self.pool(skips[-1])
        x = self.bottleneck(x)
        for up, merge in zip(reversed(self.up), reversed(self.merge)):
            x = merge(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)


def double(into, out):
    return nn.Sequential(convolution(into, out, 3), nn.ReLU(), convolution(out, out, 3), nn.ReLU())


def unet():
    torch.manual_seed(0)
    return UNet().eval()
