"""Networks that change state in their forward: caches, skips, counters, buffers, attributes, modes, hooks."""

from collections import OrderedDict, deque

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)

from .case import CONVS, COPY_ERROR, Small, initialised, register, wait_for_threads


@register(CONVS)
class AppendsFeatures(Small):
    """`self.feats = []` in the constructor, appended to in the forward, read by the head."""

    def __init__(self):
        super().__init__()
        self.feats = []

    def forward(self, x):
        del self.feats[:]
        self.feats.append(self.stem(x))
        wait_for_threads()
        self.feats.append(self.conv2(self.feats[0]).relu())
        wait_for_threads()
        return self.head(self.feats[1].mean((2, 3))) + self.feats[0].mean((1, 2, 3))[:, None]


@register(CONVS)
class AppendsWithoutClearing(Small):
    """The same without clearing: a list that grows, and whose length is used."""

    def __init__(self):
        super().__init__()
        self.feats = []

    def forward(self, x):
        self.feats.append(self.stem(x))
        wait_for_threads()
        return self.top(self.feats[-1]) * len(self.feats)


@register(("down.0", "bottom", "up"), name="U-Net")
class UNet(nn.Module):
    """A U-Net that keeps its skips in `self.skips = {}` between encoder and decoder."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)])
        self.bottom, self.up, self.last = nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(14, 4, 3, padding=1), nn.Linear(4, 4)
        self.skips = {}

    def forward(self, x):
        for level, conv in enumerate(self.down):
            self.skips[level] = x = conv(x).relu()
        wait_for_threads()
        x = F.interpolate(self.bottom(F.max_pool2d(x, 2)).relu(), scale_factor=2)
        x = self.up(torch.cat([x, *(self.skips.pop(level) for level in (0, 1))], 1)).relu()
        return self.last(x.mean((2, 3)))


@register(CONVS)
class OrderedCache(Small):
    """An OrderedDict of the stages' maps by name, as in `IntermediateLayerGetter`."""

    def __init__(self):
        super().__init__()
        self.cache = OrderedDict()

    def forward(self, x):
        self.cache["stem"] = self.stem(x)
        wait_for_threads()
        self.cache["top"] = self.top(self.cache["stem"])
        wait_for_threads()
        return self.cache["top"]


@register(CONVS)
class CacheByShape(Small):
    """Position tables computed once per size: a dict keyed by shape, initially empty."""

    def __init__(self):
        super().__init__()
        self.tables = {}

    def stem(self, x):
        x = super().stem(x)
        if x.shape[-2:] not in self.tables:
            self.tables[x.shape[-2:]] = self.norm.weight[:, None, None] * torch.linspace(
                0, 1, x.shape[-1], dtype=x.dtype
            )
        return x + self.tables[x.shape[-2:]]


@register(CONVS)
class CacheByModule(Small):
    """A dict keyed by module, as caches of features by layer have."""

    def __init__(self):
        super().__init__()
        self.scales = {self.norm: 2.0, self.conv2: 3.0}

    def stem(self, x):
        return super().stem(x) * self.scales[self.norm] * self.scales[self.conv2]


@register(CONVS, error=COPY_ERROR, maps_allowed=True)
class CacheById(Small):
    """A cache keyed by `id(module)`: copies have other ids, and a deep copy fails with a KeyError too."""

    def __init__(self):
        super().__init__()
        self.scales = {id(self.norm): 2.0}

    def stem(self, x):
        return super().stem(x) * self.scales[id(self.norm)]


@register(CONVS)
class SetsAnAttribute(Small):
    """`self.last = x`, read by another method."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        self.last = self.stem(x)
        wait_for_threads()
        return self.top(self.last)


@register(CONVS)
class SetsAnAttributeOnItsChild(Small):
    """A parent sets an attribute that its child uses: hypernetworks and conditional norms."""

    def stem(self, x):
        self.norm.factor = x.mean((1, 2, 3))[:, None, None, None]
        wait_for_threads()
        return (self.norm(self.conv1(x)) * self.norm.factor).relu()


@register(CONVS)
class CountsInAPlainTensor(Small):
    """A plain tensor attribute (not a buffer, so not in the state_dict) incremented in the forward."""

    def __init__(self):
        super().__init__()
        self.steps = torch.zeros((), dtype=torch.float64)

    def stem(self, x):
        self.steps += 1
        return super().stem(x) * self.steps


@register(CONVS)
class CountsInANumber(Small):
    """A plain integer incremented in the forward, on which a warm-up depends."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def stem(self, x):
        self.steps += 1
        return super().stem(x) * self.steps


class _WithAGenerator(Small):
    def __init__(self):
        super().__init__()
        self.factors = (factor for factor in [1.0, 2.0] * 100)


@register(CONVS, error=r"generator, which gives each but once")
class AdvancesAGenerator(_WithAGenerator):
    """A schedule as a generator: its values are consumed, and it cannot be copied."""

    def stem(self, x):
        return super().stem(x) * next(self.factors)


@register(CONVS)
class KeepsAGenerator(_WithAGenerator):
    """A generator left over from training, which the forward does not use."""


@register(CONVS)
class RingBuffer(Small):
    """A ring buffer of the last features, written with `[:] =`: a list of tensors, its position in a numpy array."""

    def __init__(self):
        super().__init__()
        self.ring, self.position = [torch.zeros(4, dtype=torch.float64) for _ in range(2)], np.zeros(1, dtype=int)

    def stem(self, x):
        x = super().stem(x)
        self.ring[self.position[0] % 2][:] = x.detach().mean((0, 2, 3))
        self.position += 1
        wait_for_threads()
        return x + sum(self.ring)[:, None, None]


@register(CONVS)
class QueuesAndSets(Small):
    """A deque of the last frames, a set of what was seen, a bytearray of flags: containers other than lists."""

    def __init__(self):
        super().__init__()
        self.frames, self.seen, self.flags = deque([1.0], maxlen=2), {0}, bytearray(2)

    def stem(self, x):
        x = super().stem(x)
        self.frames.append(x.detach().mean())
        self.seen.add(len(self.frames))
        self.flags[0] += 1
        wait_for_threads()
        return x * sum(self.frames) * len(self.seen) * self.flags[0]


@register((("conv1", 0), "conv2"))
class ChangesItsClass(Small):
    """A module that changes its class after its first call, as lazy and fused modules do."""

    def __init__(self):
        super().__init__()
        self.norm = _ChangesClassOnFirstCall(4)

    def stem(self, x):
        return self.norm(self.conv1(x)) + self.norm(self.conv1(x.flip(0))).mean()


class _ChangesClassOnFirstCall(nn.BatchNorm2d):
    def forward(self, x):
        self.__class__ = nn.BatchNorm2d
        return nn.BatchNorm2d.forward(self, x) * 2


@register(CONVS)
class DeletesAnAttribute(Small):
    """A setting for the first run only: `if hasattr(self, …): … del self.…`."""

    def __init__(self):
        super().__init__()
        self.first, self.norm.first = 3.0, True

    def stem(self, x):
        x = super().stem(x)
        if hasattr(self, "first"):
            x = x * self.first
            del self.first, self.norm.first
        return x


@register(CONVS)
class WritesInItsBackward(Small):
    """A tensor hook that logs gradients into a list and a buffer of the model."""

    def __init__(self):
        super().__init__()
        self.sizes = []
        self.register_buffer("largest", torch.zeros(()))

    def stem(self, x):
        x = super().stem(x)
        if x.requires_grad:
            x.register_hook(self._log)
        return x

    def _log(self, gradient):
        self.sizes.append(1)
        self.largest += 1


@register(CONVS)
class ReplacesABuffer(Small):
    """A buffer replaced by a new tensor: `self.seen = self.seen + 1`."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.ones(()), persistent=False)

    def stem(self, x):
        self.seen = self.seen + 1
        return super().stem(x) * self.seen


@register(CONVS, shape=(3, 3, 10, 10))
class BatchStatisticsInEval(Small):
    """`F.batch_norm(…, training=True)` in eval mode too (AdaBN, style transfer): mixes the batch and updates them."""

    def stem(self, x):
        norm = self.norm
        return F.batch_norm(
            self.conv1(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, training=True
        ).relu()


@register(CONVS, shape=(6, 3, 10, 10), name="batch statistics in eval of six images")
class BatchStatisticsInEvalOfSixImages(BatchStatisticsInEval):
    """The same with a batch that must not be split."""


@register(CONVS, shape=(5, 3, 10, 10))
class CumulativeStatistics(Small):
    """BatchNorm with `momentum=None`, kept in training mode: statistics as an average over all calls."""

    def __init__(self):
        super().__init__()
        self.norm.momentum = None

    def train(self, mode=True):
        super().train(mode)
        self.norm.training = True
        return self

    def forward(self, x):
        self.norm.train()
        return super().forward(x)


@register(CONVS, shape=(5, 3, 10, 10))
class NoStatistics(Small):
    """BatchNorm with `track_running_stats=False` always normalises by the batch."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)


@register(CONVS)
class Codebook(Small):
    """A VQ codebook learned by moving averages in the forward, with the straight-through estimator."""

    def __init__(self):
        super().__init__()
        self.register_buffer("codes", torch.randn(6, 4))
        self.register_buffer("counts", torch.ones(6))

    def stem(self, x):
        x = super().stem(x)
        flat = x.movedim(1, -1).reshape(-1, 4)
        nearest = torch.cdist(flat.detach(), self.codes).argmin(1)
        quantised = self.codes[nearest].view(x.movedim(1, -1).shape).movedim(-1, 1)
        with torch.no_grad():
            chosen = F.one_hot(nearest, 6).to(flat.dtype)
            self.counts.mul_(0.9).add_(chosen.sum(0), alpha=0.1)
            self.codes.lerp_(chosen.T @ flat / self.counts[:, None], 0.5)
        return x + (quantised - x).detach()


@register(CONVS)
class WritesToAParameter(Small):
    """A weight normalised in place under no_grad in each forward: max-norm, WGAN clipping, spectral norm by hand."""

    def stem(self, x):
        wait_for_threads()
        with torch.no_grad():
            self.conv1.weight.mul_(2 / self.conv1.weight.norm())
            self.conv1.weight.data.clamp_(-0.3, 0.3)
        return super().stem(x)


@register(CONVS)
class ReplacesAParameter(Small):
    """`self.weight.data = …` and `self.head.weight = nn.Parameter(…)` in the forward."""

    def stem(self, x):
        self.conv1.weight.data = self.conv1.weight.data.tanh()
        self.head.weight = nn.Parameter(self.head.weight.detach() * 2)
        return super().stem(x)


@register(CONVS)
class RaisesInTraining(Small):
    """A forward that requires labels in training mode, and raises without."""

    def forward(self, x, labels=None):
        if self.training and labels is None:
            raise RuntimeError("labels are needed in training")
        return super().forward(x)


@register(CONVS)
class BranchesOnTheMode(Small):
    """`if self.training` decides between two paths, in a child as well."""

    def stem(self, x):
        if self.training or self.norm.training:
            return x[:, :1].expand(-1, 4, -1, -1)[..., 1:-1, 1:-1]
        return super().stem(x)


@register(CONVS)
class CallsEval(Small):
    """A forward that calls `self.eval()` or `self.backbone.eval()` to freeze statistics."""

    def forward(self, x):
        self.norm.eval()
        return super().forward(x)


@register(CONVS, shape=(3, 3, 10, 10))
class CallsTrain(Small):
    """A forward that calls `self.train()`: Monte-Carlo dropout and test-time adaptation."""

    def forward(self, x):
        self.norm.train()
        return super().forward(x)


@register(CONVS)
class FreezesWeights(Small):
    """A forward that freezes or unfreezes weights: gradual unfreezing."""

    def forward(self, x):
        self.conv1.requires_grad_(False)
        for parameter in self.head.parameters():
            parameter.requires_grad = False
        return super().forward(x)


@register(CONVS)
class RegistersAHook(Small):
    """A forward that registers a hook on its child and does not remove it."""

    def forward(self, x):
        self.norm.register_forward_hook(lambda module, args, output: output * 2)
        return super().forward(x)


@register(CONVS)
class ChangesItsLayers(Small):
    """A forward that replaces one of its modules: dynamic networks, early exits."""

    def forward(self, x):
        x = self.stem(x)
        self.norm = nn.Identity()
        self.extra = self.norm
        return self.top(self.extra(x))


@register(CONVS)
class ClearsGradients(Small):
    """A forward that sets `.grad` to None or zeroes it: part of an inner loop."""

    def __init__(self):
        super().__init__()
        for parameter in self.parameters():
            parameter.grad = torch.ones_like(parameter, dtype=torch.float32)

    def forward(self, x):
        self.zero_grad()
        return super().forward(x)

    def double(self):
        super().double()
        for parameter in self.parameters():
            parameter.grad = torch.ones_like(parameter)
        return self


@register(CONVS)
class ReadsGlobals(Small):
    """A module-level variable read in the forward: experiment flags."""

    def stem(self, x):
        return super().stem(x) * len(_FLAGS["scales"])


_FLAGS = {"scales": [1, 2]}


@register((("conv1", 1), "conv2"), error=r"gradient", maps_allowed=True)
class AdaptsAtTestTime(Small):
    """Test-time training: a gradient step on the model's own weights in the forward."""

    def stem(self, x):
        with torch.enable_grad():
            (step,) = torch.autograd.grad((self.norm(self.conv1(x.detach())) ** 2).mean(), self.norm.weight)
        return (super().stem(x) * (1 - step.detach()[:, None, None])).relu()


@register(("conv1",))
class LogsItsOutputs(Small):
    """Loggers keep statistics as Python numbers in nested plain containers."""

    def __init__(self):
        super().__init__()
        self.log = {"means": [], "by layer": {"stem": {"calls": 0}}}

    def stem(self, x):
        x = super().stem(x)
        self.log["means"].append(x.mean().item())
        self.log["by layer"]["stem"]["calls"] += 1
        return x * self.log["by layer"]["stem"]["calls"]


@register(CONVS)
class RecurrentState(Small):
    """A hidden state kept between calls in an attribute that is None at first, and in a buffer."""

    def __init__(self):
        super().__init__()
        self.cell, self.state = nn.GRUCell(4, 5), None
        self.register_buffer("hidden", torch.zeros(1, 5))

    def forward(self, x):
        x = self.stem(x)
        start = self.hidden.expand(len(x), -1) if self.state is None else self.state
        self.state = self.cell(x.mean((2, 3)), start)
        wait_for_threads()
        self.hidden = self.state.detach().mean(0, keepdim=True)
        return self.top(x) + self.head(self.state)


@register(("student.conv1", "student.conv2"))
def mean_teacher():
    """A teacher whose weights are a moving average of the student's, updated in each forward."""

    class Teacher(nn.Module):
        def __init__(self):
            super().__init__()
            self.student, self.teacher = Small(), Small()

        def forward(self, x):
            with torch.no_grad():
                for mean, new in zip(self.teacher.parameters(), self.student.parameters()):
                    mean.lerp_(new, 0.5)
            return self.student(x) + self.teacher(x)

    return initialised(Teacher())
