"""Networks that draw random numbers in eval mode: right for one of the draws, and nobody's random state is touched."""

import torch
from torch import nn
from torch.nn import functional as F

from .case import BOTH, Small, network

SHORT = (2, 2, 8, 8)


class Drawing(Small):
    """Two maps at the top, so that a network that drops maps has four answers for an image."""

    def __init__(self):
        super().__init__(inputs=2)
        self.conv2 = nn.Conv2d(4, 2, 3)
        self.head = nn.Linear(2, 4)


@network(BOTH, shape=SHORT, draws=True)
class MonteCarloDropout(Drawing):
    """Dropout that stays on in eval mode, to tell how sure a network is."""

    def top(self, x):
        return self.head(F.dropout2d(self.conv2(x), 0.5, training=True).relu().mean((2, 3)))


@network(BOTH, shape=SHORT, draws=True)
class DropoutInTrainingMode(Drawing):
    """The same with an nn.Dropout module whose mode the forward sets."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def top(self, x):
        self.drop.train()
        return self.head(self.drop(self.conv2(x).relu().mean((2, 3))))


@network(BOTH, shape=SHORT, draws=True)
class StochasticDepth(Drawing):
    """Blocks left out at random, image by image."""

    def stem(self, x):
        x = super().stem(x)
        keep = torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.5, dtype=x.dtype))
        return x + keep * x.roll(1, 1)


@network(BOTH, shape=SHORT, draws=True)
class ShuffledChannels(Drawing):
    """`torch.randperm` in the forward."""

    def top(self, x):
        return self.head(self.conv2(x).relu().mean((2, 3))[:, torch.randperm(2)])


@network(BOTH, shape=SHORT, draws=True)
class HardGumbel(Drawing):
    """A discrete choice by `F.gumbel_softmax(hard=True)`: routing, mixtures of experts."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        choice = F.gumbel_softmax(torch.zeros(len(x), 2, dtype=x.dtype), hard=True)
        return self.head(pooled * choice)


@network(BOTH, shape=SHORT, sentence=r"seed|random", or_right=True, alone=True)
class SeedsItself(Drawing):
    """`torch.manual_seed` inside the forward, for a fixed random projection."""

    def stem(self, x):
        torch.manual_seed(7)
        return super().stem(x) * torch.rand(4, 1, 1, dtype=x.dtype)


@network(BOTH, shape=SHORT)
class OwnGenerator(Drawing):
    """A torch.Generator of its own, seeded anew in each forward."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator()

    def stem(self, x):
        self.generator.manual_seed(3)
        return super().stem(x) * torch.rand(4, 1, 1, dtype=x.dtype, generator=self.generator)


@network(BOTH, shape=SHORT, sentence=r"generator|random", or_right=True)
class OwnGeneratorThatGoesOn(Drawing):
    """A torch.Generator of its own that is never seeded again: the model's state, outside its state_dict."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(3)

    def stem(self, x):
        return super().stem(x) * torch.rand(4, 1, 1, dtype=x.dtype, generator=self.generator)


@network(BOTH, shape=SHORT)
class RandomReLU(Drawing):
    """nn.RReLU, which is random in training mode and a fixed slope in eval mode."""

    def __init__(self):
        super().__init__()
        self.act = nn.RReLU()

    def stem(self, x):
        return self.act(self.norm(self.conv1(x)))


@network(BOTH, shape=SHORT)
class DropoutEverywhere(Drawing):
    """Dropout, AlphaDropout and Dropout2d as they come: silent in eval mode."""

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


@network(BOTH, shape=SHORT, alone=True)
class ForksTheDice(Drawing):
    """`torch.random.fork_rng` with a seed, inside the forward."""

    def stem(self, x):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            scale = torch.rand(4, 1, 1, dtype=x.dtype)
        return super().stem(x) * scale
