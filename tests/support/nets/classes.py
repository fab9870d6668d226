"""Module classes with ways of their own: properties, attribute access, copying, slots, equality, caches."""

import functools
import threading
import weakref

import torch
from torch import nn

from .case import BOTH, NO_COPY, Small, lived_in, network


@network(BOTH, sentence=NO_COPY, or_right=True)
class WeakKeys(Small):
    """A WeakKeyDictionary by module, so that a table of extras keeps nothing alive."""

    def __init__(self):
        super().__init__()
        self.scales = weakref.WeakKeyDictionary({self.norm: 2.0})

    def stem(self, x):
        return super().stem(x) * self.scales[self.norm]


class _Equal(nn.Conv2d):
    """Compares by its settings, as configurable blocks do: two with other weights are equal."""

    def __eq__(self, other):
        return isinstance(other, _Equal) and self.extra_repr() == other.extra_repr()

    def __hash__(self):
        return hash(self.extra_repr())


@network(("first.conv", "second.conv"))
class EqualModules(Small):
    """Modules with an `__eq__` of their own: two blocks that are equal and not the same."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Module(), nn.Module()
        self.first.conv, self.second.conv = _Equal(4, 4, 1), _Equal(4, 4, 1)

    def double(self):
        self.first.conv.double()
        self.second.conv.double()
        return super().double()

    def stem(self, x):
        return self.second.conv(self.first.conv(super().stem(x)).relu())


@network(BOTH)
class FalsyModules(Small):
    """Modules with a `__len__` of zero, and children, parameters and buffers registered as None."""

    def __init__(self):
        super().__init__()
        self.blocks, self.choice = nn.ModuleList(), nn.ModuleDict()
        self.norm = _Sized(4)
        self.register_module("skip", None)
        self.register_parameter("scale", None)
        self.register_buffer("table", None)

    def stem(self, x):
        x = super().stem(x)
        for block in self.blocks:
            x = block(x)
        return x if self.skip is None and self.scale is None and self.table is None else x * 0


class _Sized(nn.BatchNorm2d):
    def __len__(self):
        return 0


@network(BOTH, sentence=NO_COPY, or_right=True)
class ThreadLocal(Small):
    """A `threading.local` and an event among the attributes, which nothing can copy."""

    def __init__(self):
        super().__init__()
        self.local, self.ready = threading.local(), threading.Event()

    def stem(self, x):
        self.local.maps = super().stem(x)
        return self.local.maps * (1 + self.ready.is_set())


@network(BOTH)
class LruCached(Small):
    """`functools.lru_cache` on a method keeps a table by `self`, outside the instance."""

    @functools.lru_cache(maxsize=8)  # noqa: B019 - what it keeps alive is the point
    def table(self, side):
        return self.norm.weight.detach().mean() * torch.linspace(0, 1, side, dtype=torch.float64)

    def stem(self, x):
        x = super().stem(x)
        return x + self.table(x.shape[-1])


class _Registry:
    """Made once for all instances of a class."""

    tables = {}


@network(BOTH, alone=True)
class ClassLevelCache(Small):
    """A dict in the class, filled in the forward: one for all models of the process."""

    shared = _Registry.tables

    def stem(self, x):
        x = super().stem(x)
        self.shared["last"] = x.detach().mean()
        return x * (1 + 0 * self.shared["last"])


@network(BOTH)
class Property(Small):
    """Layers behind properties: the attribute is made anew each time it is asked for."""

    @property
    def normed(self):
        return nn.Sequential(self.norm, self.activation)

    @property
    def activation(self):
        return nn.ReLU()

    def stem(self, x):
        return self.normed(self.conv1(x))


@network(BOTH)
class CachedProperty(Small):
    """functools.cached_property writes what it made into the instance at the first forward."""

    @functools.cached_property
    def scale(self):
        return torch.linspace(0.5, 1.5, 4, dtype=torch.float64)[:, None, None]

    @functools.cached_property
    def pipeline(self):
        return nn.Sequential(self.norm, nn.ReLU())

    def stem(self, x):
        return self.pipeline(self.conv1(x)) * self.scale


@network(BOTH)
class OwnGetattr(Small):
    """A custom `__getattr__` that looks into a wrapped module, as wrappers from PEFT to Lightning have."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential()
        self.inner.add_module("norm2", nn.BatchNorm2d(4))

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)

    def stem(self, x):
        return self.norm2(self.norm(self.conv1(x))).relu()


@network(BOTH)
class OwnSetattr(Small):
    """A custom `__setattr__` that counts, checks or logs what is set; it is called in the forward as well."""

    def __init__(self):
        object.__setattr__(self, "sets", [])
        super().__init__()

    def __setattr__(self, name, value):
        self.sets.append(name)
        super().__setattr__(name, value)

    def stem(self, x):
        self.last = x.mean()
        return self.norm(self.conv1(x)).relu() * len(self.sets)


@network(BOTH)
class OwnDeepcopy(Small):
    """A custom `__deepcopy__` that returns the very object, so that copies of a training loop share it."""

    def __deepcopy__(self, memo):
        return self

    def __copy__(self):
        return self


@network(BOTH)
class RefusesDeepcopy(Small):
    """A model with a handle that cannot be copied: a lock, a file, a CUDA stream."""

    def __init__(self):
        import threading

        super().__init__()
        self.lock = threading.Lock()
        self.generator = (number for number in range(10))

    def forward(self, x):
        with self.lock:
            return super().forward(x)


class _New(Small):
    def __new__(cls, flavour):
        made = super().__new__(cls)
        object.__setattr__(made, "flavour", flavour)
        return made

    def __init__(self, flavour):
        super().__init__()


@network(BOTH)
def new_with_arguments():
    """A `__new__` that wants arguments: registries and factories dispatch there."""
    return lived_in(_New("mint"))


class _Slotted(Small):
    __slots__ = ("cache", "scale")


@network(BOTH)
class WithSlots(_Slotted):
    """`__slots__` in a module class keeps attributes out of `vars`."""

    def __init__(self):
        super().__init__()
        self.scale = 2.0
        self.cache = []

    def stem(self, x):
        self.cache.append(x.detach())
        return self.norm(self.conv1(x)).relu() * self.scale * len(self.cache)
