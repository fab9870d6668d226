"""Networks that draw random numbers in eval mode: maps right for one draw, every random state restored."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from .case import CONVS, Small, register

SMALL_SHAPE = (2, 2, 8, 8)


class TwoMaps(Small):
    """Small with two maps at the top: a network that drops maps has four possible outputs per image."""

    def __init__(self):
        super().__init__(inputs=2)
        self.conv2 = nn.Conv2d(4, 2, 3)
        self.head = nn.Linear(2, 4)


@register(CONVS, shape=SMALL_SHAPE, draws_random=True)
class MonteCarloDropout(TwoMaps):
    """Dropout that stays on in eval mode, to estimate a network's uncertainty."""

    def top(self, x):
        return self.head(F.dropout2d(self.conv2(x), 0.5, training=True).relu().mean((2, 3)))


@register(CONVS, shape=SMALL_SHAPE, draws_random=True)
class DropoutInTrainingMode(TwoMaps):
    """The same with an nn.Dropout module that the forward switches to training mode."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def top(self, x):
        self.drop.train()
        return self.head(self.drop(self.conv2(x).relu().mean((2, 3))))


@register(CONVS, shape=SMALL_SHAPE, draws_random=True)
class StochasticDepth(TwoMaps):
    """Blocks skipped at random, image by image."""

    def stem(self, x):
        x = super().stem(x)
        keep = torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.5, dtype=x.dtype))
        return x + keep * x.roll(1, 1)


@register(CONVS, shape=SMALL_SHAPE, draws_random=True)
class ShuffledChannels(TwoMaps):
    """`torch.randperm` in the forward."""

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3))[:, torch.randperm(2)])


@register(CONVS, shape=SMALL_SHAPE, draws_random=True)
class HardGumbel(TwoMaps):
    """A discrete choice by `F.gumbel_softmax(hard=True)`: routing, mixtures of experts."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        choice = F.gumbel_softmax(torch.zeros(len(x), 2, dtype=x.dtype), hard=True)
        return self.head(pooled * choice)


@register(CONVS, shape=SMALL_SHAPE, error=r"seed|random", maps_allowed=True, process_wide=True)
class ReseedsGlobally(TwoMaps):
    """`torch.manual_seed` inside the forward, for a fixed random projection."""

    def stem(self, x):
        torch.manual_seed(7)
        return super().stem(x) * torch.rand(4, 1, 1, dtype=x.dtype)


@register(CONVS, shape=SMALL_SHAPE)
class OwnGenerator(TwoMaps):
    """Its own torch.Generator, reseeded in each forward."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator()

    def stem(self, x):
        self.generator.manual_seed(3)
        return super().stem(x) * torch.rand(4, 1, 1, dtype=x.dtype, generator=self.generator)


@register(CONVS, shape=SMALL_SHAPE, error=r"generator|random", maps_allowed=True)
class OwnGeneratorNeverReseeded(TwoMaps):
    """Its own torch.Generator, never reseeded: state of the model outside its state_dict."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(3)

    def stem(self, x):
        return super().stem(x) * torch.rand(4, 1, 1, dtype=x.dtype, generator=self.generator)


@register(CONVS, shape=SMALL_SHAPE, name="random ReLU")
class RandomReLU(TwoMaps):
    """nn.RReLU, which is random in training mode and a fixed slope in eval mode."""

    def __init__(self):
        super().__init__()
        self.act = nn.RReLU()

    def stem(self, x):
        return self.act(self.norm(self.conv1(x)))


@register(CONVS, shape=SMALL_SHAPE)
class DropoutEverywhere(TwoMaps):
    """Dropout, AlphaDropout and Dropout2d by default: inactive in eval mode."""

    def __init__(self):
        super().__init__()
        self.drops = nn.ModuleList(
            [nn.Dropout(0.5), nn.Dropout2d(0.5), nn.AlphaDropout(0.5), nn.FeatureAlphaDropout(0.5)]
        )

    def stem(self, x):
        x = super().stem(x)
        for drop in self.drops:
            x = drop(x)
        return F.dropout(x, 0.5, self.training)


@register(CONVS, shape=SMALL_SHAPE, process_wide=True)
class ForksTheRandomState(TwoMaps):
    """`torch.random.fork_rng` with a seed, inside the forward."""

    def stem(self, x):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            scale = torch.rand(4, 1, 1, dtype=x.dtype)
        return super().stem(x) * scale
