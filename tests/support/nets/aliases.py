"""Aliases: objects that the model holds under two names must stay shared in any copy of it."""

import itertools

import torch
from torch import nn

from .case import CONVS, COPY_ERROR, Small, register, wait_for_threads


@register(CONVS)
class OneListUnderTwoNames(Small):
    """A log and a public reference to it: what is appended to one is read from the other."""

    def __init__(self):
        super().__init__()
        self.log = []
        self.public = {"log": self.log}

    def stem(self, x):
        self.log.append(super().stem(x))
        wait_for_threads()
        return self.public["log"][-1] * len(self.public["log"])


@register(CONVS)
class OneDictInTwoModules(Small):
    """A cache passed to every block at construction, as key-value caches and skip registries are."""

    def __init__(self):
        super().__init__()
        cache = {}
        self.writer, self.reader = _Writes(cache), _Reads(cache)

    def stem(self, x):
        x = self.writer(super().stem(x))
        wait_for_threads()
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


@register(CONVS)
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


@register(CONVS)
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


@register(CONVS)
class FlatWeights(_Flat):
    """All weights in one flat vector, as optimisers and sharded training store them; the forward reads it too."""

    def stem(self, x):
        return super().stem(x) * self.flat.abs().mean()


@register(CONVS, error=COPY_ERROR, maps_allowed=True)
class FlatWeightsModified(_Flat):
    """The same, and the forward rounds the flat vector in place, which changes the weights."""

    def stem(self, x):
        self.flat.mul_(8).round_().div_(8)
        return super().stem(x)


@register(CONVS)
class LoadsAveragedWeights(Small):
    """`load_state_dict` in the forward: the averaged weights replace the trained ones."""

    def __init__(self):
        super().__init__()
        self.average = {name: torch.rand_like(value) for name, value in self.head.state_dict().items()}

    def stem(self, x):
        wait_for_threads()
        self.head.load_state_dict(self.average)
        return super().stem(x)


@register(CONVS)
class CastsItsHead(Small):
    """`self.head.float()` in the forward, for a head that must compute in another precision."""

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head.double()(pooled) + self.head.float()(pooled.float()).double()


@register(CONVS)
class WeightInAPlainList(Small):
    """Parameters and their views in plain lists, for regularisers and for gradient checks."""

    def __init__(self):
        super().__init__()
        self.weights = [self.conv2.weight, self.head.weight]
        self.named = {"norm": self.norm.weight}

    def stem(self, x):
        return super().stem(x) * self.named["norm"].mean() * sum(weight.abs().mean() for weight in self.weights)


@register(CONVS, error=COPY_ERROR, maps_allowed=True)
class CountsWithAnIterator(Small):
    """`itertools.count()` as a step counter: an iterator's position is state that cannot be inspected."""

    def __init__(self):
        super().__init__()
        self.steps = itertools.count(1)

    def stem(self, x):
        return super().stem(x) * next(self.steps)


@register(CONVS)
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
    """A subclass of Parameter, as quantised, sharded and half-sharded ones are."""

    def labelled(self):
        return 2.0


@register(CONVS)
class ParameterOfItsOwnClass(Small):
    """A subclass of Parameter whose methods the forward calls."""

    def __init__(self):
        super().__init__()
        self.gain = _Labelled(torch.rand(4, 1, 1))

    def stem(self, x):
        return super().stem(x) * self.gain * self.gain.labelled()


@register(CONVS)
class DictsKeyedByParameter(Small):
    """A dict keyed by parameter, as optimisers keep, and one by tensor: keys whose `==` returns a tensor."""

    def __init__(self):
        super().__init__()
        self.names = {parameter: name for name, parameter in self.named_parameters()}
        self.key = torch.arange(2)
        self.by_tensor = {self.key: 2.0, torch.arange(3): 3.0}

    def stem(self, x):
        known = all(self.names[parameter] == name for name, parameter in self.named_parameters())
        return super().stem(x) * self.by_tensor[self.key] * known


@register(CONVS)
class IteratesOverItsParameters(Small):
    """A forward over `self.parameters()`, `self.modules()`, `self.state_dict()`: weight decay, size checks."""

    def stem(self, x):
        decay = sum(parameter.pow(2).sum() for parameter in self.parameters())
        assert all(isinstance(parameter, nn.Parameter) for parameter in self.parameters())
        return super().stem(x) * (decay + sum(1 for _ in self.modules()) + len(self.state_dict()))
