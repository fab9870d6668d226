"""One thing under two names: what is shared inside the model must stay shared inside any copy of it."""

import itertools

import torch
from torch import nn

from .case import BOTH, NO_COPY, Small, meet, network


@network(BOTH)
class OneListUnderTwoNames(Small):
    """A log and its view for others: what is appended to one is read from the other."""

    def __init__(self):
        super().__init__()
        self.log = []
        self.public = {"log": self.log}

    def stem(self, x):
        self.log.append(super().stem(x))
        meet()
        return self.public["log"][-1] * len(self.public["log"])


@network(BOTH)
class OneDictInTwoModules(Small):
    """A cache handed to every block at construction, as key-value caches and skip registries are."""

    def __init__(self):
        super().__init__()
        cache = {}
        self.writer, self.reader = _Writes(cache), _Reads(cache)

    def stem(self, x):
        x = self.writer(super().stem(x))
        meet()
        return self.reader(x)


class _Writes(nn.Module):
    def __init__(self, cache):
        super().__init__()
        self.cache = cache

    def forward(self, x):
        self.cache["skip"] = x
        return x.roll(1, 1)


class _Reads(_Writes):
    def forward(self, x):
        return x + self.cache["skip"]


@network(BOTH)
class OneBufferUnderTwoNames(Small):
    """A buffer registered twice, written by one name and read by the other."""

    def __init__(self):
        super().__init__()
        table = torch.ones(4, 1, 1, dtype=torch.float64)
        self.register_buffer("written", table)
        self.register_buffer("read", table)

    def stem(self, x):
        self.written.mul_(3)
        return super().stem(x) * self.read


@network(BOTH)
class ViewOfABuffer(Small):
    """A plain attribute that is a view of a buffer: a window into a memory bank."""

    def __init__(self):
        super().__init__()
        self.register_buffer("bank", torch.ones(3, 4, 1, 1, dtype=torch.float64))
        self.newest = self.bank[0]

    def stem(self, x):
        self.newest.add_(1)
        return super().stem(x) * self.bank.sum(0)


class _Flat(Small):
    """Small in float64 whose weights are views of one flat vector."""

    def double(self):
        super().double()
        weights = [parameter.detach() for parameter in self.parameters()]
        self.flat, start = torch.cat([weight.flatten() for weight in weights]), 0
        for parameter in self.parameters():
            parameter.data = self.flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        return self


@network(BOTH)
class FlatWeights(_Flat):
    """All weights in one flat vector, as optimisers and sharded training lay them; the forward reads it too."""

    def stem(self, x):
        return super().stem(x) * self.flat.abs().mean()


@network(BOTH, sentence=NO_COPY, or_right=True)
class FlatWeightsWrittenTo(_Flat):
    """The same, and the forward rounds the flat vector: the weights are to follow."""

    def stem(self, x):
        self.flat.mul_(8).round_().div_(8)
        return super().stem(x)


@network(BOTH)
class SwapsInItsAverage(Small):
    """`load_state_dict` in the forward: the averaged weights are asked in place of the trained ones."""

    def __init__(self):
        super().__init__()
        self.average = {name: torch.rand_like(value) for name, value in self.head.state_dict().items()}

    def stem(self, x):
        meet()
        self.head.load_state_dict(self.average)
        return super().stem(x)


@network(BOTH)
class CastsItself(Small):
    """`self.head.float()` in the forward, for a head that must compute in another precision."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head.double()(pooled) + self.head.float()(pooled.float()).double()


@network(BOTH)
class WeightInAPlainList(Small):
    """Parameters and their views in plain lists, for regularisers and for gradient checks."""

    def __init__(self):
        super().__init__()
        self.weights = [self.conv2.weight, self.head.weight]
        self.named = {"norm": self.norm.weight}

    def stem(self, x):
        return super().stem(x) * self.named["norm"].mean() * sum(weight.abs().mean() for weight in self.weights)


@network(BOTH, sentence=NO_COPY, or_right=True)
class CountsWithAnIterator(Small):
    """`itertools.count()` as a step counter: an iterator's place is state, and nothing shows it."""

    def __init__(self):
        super().__init__()
        self.steps = itertools.count(1)

    def stem(self, x):
        return super().stem(x) * next(self.steps)


@network(BOTH)
class TensorWithAnAttribute(Small):
    """Attributes on tensors and parameters: `weight.initialised = True`, quantisation scales."""

    def __init__(self):
        super().__init__()
        self.mask = torch.ones(4, 1, 1, dtype=torch.float64)
        self.mask.scale = 2.0
        self.conv1.weight.scale = 3.0
        self.norm.running_mean.scale = 0.5

    def stem(self, x):
        return super().stem(x) * self.mask * self.mask.scale * self.conv1.weight.scale * self.norm.running_mean.scale

    def double(self):
        super().double()
        self.conv1.weight.scale, self.norm.running_mean.scale = 3.0, 0.5
        return self


class _Labelled(nn.Parameter):
    """A Parameter of a class of its own, as quantised, sharded and half-sharded ones are."""

    def labelled(self):
        return 2.0


@network(BOTH)
class ParameterOfItsOwnClass(Small):
    """Parameters with a class of their own, whose methods the forward calls."""

    def __init__(self):
        super().__init__()
        self.gain = _Labelled(torch.rand(4, 1, 1))

    def stem(self, x):
        return super().stem(x) * self.gain * self.gain.labelled()


@network(BOTH)
class TablesByParameter(Small):
    """A dict by parameter, as optimisers keep, and one by tensor: keys that answer `==` with a tensor."""

    def __init__(self):
        super().__init__()
        self.names = {parameter: name for name, parameter in self.named_parameters()}
        self.key = torch.arange(2)
        self.by_tensor = {self.key: 2.0, torch.arange(3): 3.0}

    def stem(self, x):
        known = all(self.names[parameter] == name for name, parameter in self.named_parameters())
        return super().stem(x) * self.by_tensor[self.key] * known


@network(BOTH)
class AsksForItsParameters(Small):
    """A forward over `self.parameters()`, `self.modules()`, `self.state_dict()`: weight decay, size checks."""

    def stem(self, x):
        decay = sum(parameter.pow(2).sum() for parameter in self.parameters())
        assert all(isinstance(parameter, nn.Parameter) for parameter in self.parameters())
        return super().stem(x) * (decay + sum(1 for _ in self.modules()) + len(self.state_dict()))
