"""Module classes that override Python protocols: properties, attribute access, copying, slots, equality, caches."""

import functools
import threading
import weakref
from typing import ClassVar

import torch
from torch import nn

from .case import CONVS, COPY_ERROR, Small, initialised, register


@register(CONVS, error=COPY_ERROR, maps_allowed=True)
class WeakKeys(Small):
    """A WeakKeyDictionary keyed by module, so that a table of extras keeps nothing alive."""

    def __init__(self):
        super().__init__()
        self.scales = weakref.WeakKeyDictionary({self.norm: 2.0})

    def stem(self, x):
        return super().stem(x) * self.scales[self.norm]


class _Equal(nn.Conv2d):
    """Compares by its settings, as configurable blocks do: two with different weights are equal."""

    def __eq__(self, other):
        return isinstance(other, _Equal) and self.extra_repr() == other.extra_repr()

    def __hash__(self):
        return hash(self.extra_repr())


@register(("first.conv", "second.conv"))
class EqualModules(Small):
    """Modules that define `__eq__`: two blocks that are equal but not identical."""

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


@register(CONVS)
class FalsyModules(Small):
    """Modules with a `__len__` of zero, and children, parameters and buffers registered as None."""

    def __init__(self):
        super().__init__()
        self.blocks, self.choice = nn.ModuleList(), nn.ModuleDict()
        self.norm = _ZeroLength(4)
        self.register_module("skip", None)
        self.register_parameter("scale", None)
        self.register_buffer("table", None)

    def stem(self, x):
        x = super().stem(x)
        for block in self.blocks:
            x = block(x)
        return x if self.skip is None and self.scale is None and self.table is None else x * 0


class _ZeroLength(nn.BatchNorm2d):
    def __len__(self):
        return 0


@register(CONVS, error=COPY_ERROR, maps_allowed=True)
class ThreadLocal(Small):
    """A `threading.local` and an event among the attributes, which nothing can copy."""

    def __init__(self):
        super().__init__()
        self.local, self.ready = threading.local(), threading.Event()

    def stem(self, x):
        self.local.maps = super().stem(x)
        return self.local.maps * (1 + self.ready.is_set())


@register(CONVS)
class LruCached(Small):
    """`functools.lru_cache` on a method keeps a table keyed by `self`, outside the instance."""

    @functools.lru_cache(maxsize=8)  # noqa: B019 (what it keeps alive is under test)
    def table(self, side):
        return self.norm.weight.detach().mean() * torch.linspace(0, 1, side, dtype=torch.float64)

    def stem(self, x):
        x = super().stem(x)
        return x + self.table(x.shape[-1])


class _Registry:
    """Shared by all instances of a class."""

    tables: ClassVar[dict] = {}


@register(CONVS, process_wide=True)
class ClassLevelCache(Small):
    """A dict in the class, filled in the forward and shared by all models of the process."""

    shared = _Registry.tables

    def stem(self, x):
        x = super().stem(x)
        self.shared["last"] = x.detach().mean()
        return x * (1 + 0 * self.shared["last"])


@register(CONVS)
class Property(Small):
    """Layers behind properties: the module is created on each access."""

    @property
    def normed(self):
        return nn.Sequential(self.norm, self.activation)

    @property
    def activation(self):
        return nn.ReLU()

    def stem(self, x):
        return self.normed(self.conv1(x))


@register(CONVS)
class CachedProperty(Small):
    """functools.cached_property stores its value in the instance at the first forward."""

    @functools.cached_property
    def scale(self):
        return torch.linspace(0.5, 1.5, 4, dtype=torch.float64)[:, None, None]

    @functools.cached_property
    def pipeline(self):
        return nn.Sequential(self.norm, nn.ReLU())

    def stem(self, x):
        return self.pipeline(self.conv1(x)) * self.scale


@register(CONVS)
class OwnGetattr(Small):
    """A custom `__getattr__` that delegates to a wrapped module, as wrappers from PEFT to Lightning do."""

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


@register(CONVS)
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


@register(CONVS)
class OwnDeepcopy(Small):
    """A custom `__deepcopy__` that returns the object itself, so that copies of a training loop share it."""

    def __deepcopy__(self, memo):
        return self

    def __copy__(self):
        return self


@register(CONVS)
class RefusesDeepcopy(Small):
    """A model with a handle that cannot be copied: a lock, a file, a CUDA stream."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()
        self.generator = (number for number in range(10))

    def forward(self, x):
        with self.lock:
            return super().forward(x)


class _NewWithArgument(Small):
    def __new__(cls, flavour):
        instance = super().__new__(cls)
        object.__setattr__(instance, "flavour", flavour)
        return instance

    def __init__(self, flavour):
        super().__init__()


@register(CONVS)
def new_with_arguments():
    """A `__new__` that requires arguments: registries and factories dispatch there."""
    return initialised(_NewWithArgument("mint"))


class _Slotted(Small):
    __slots__ = ("cache", "scale")


@register(CONVS)
class WithSlots(_Slotted):
    """`__slots__` in a module class keeps attributes out of `vars`."""

    def __init__(self):
        super().__init__()
        self.scale = 2.0
        self.cache = []

    def stem(self, x):
        self.cache.append(x.detach())
        return self.norm(self.conv1(x)).relu() * self.scale * len(self.cache)
