"""Modules that are not registered, or reached indirectly: in containers, closures, partials, objects and slots."""

import functools
from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

import torch
from torch import nn

from .case import CONVS, Small, initialised, register


class IndirectNorm(Small):
    """Small, whose forward reaches its BatchNorm through what `set_up` made. The statistics show which one ran."""

    def __init__(self):
        super().__init__()
        self.set_up()

    def set_up(self):
        raise NotImplementedError

    def apply_norm(self, x):
        raise NotImplementedError

    def stem(self, x):
        return self.apply_norm(self.conv1(x)).relu()


@register(CONVS)
class PartialOfAMethod(IndirectNorm):
    """`self.f = functools.partial(self._f, …)` binds a setting once."""

    def set_up(self):
        self.f = functools.partial(self._f, scale=2.0)

    def _f(self, x, scale):
        return self.norm(x) * scale

    def apply_norm(self, x):
        return self.f(x)


@register(CONVS)
class PartialOfAModule(IndirectNorm):
    """A partial whose function is the module itself, and one that takes it as an argument."""

    def set_up(self):
        self.f = functools.partial(self.norm)
        self.g = functools.partial(lambda module, x: module(x), self.norm)

    def apply_norm(self, x):
        return self.f(x) + self.g(x)


@register(CONVS)
class Lambda(IndirectNorm):
    """`self.post = lambda t: self.bn(t)`: a post-processing chosen at construction."""

    def set_up(self):
        self.post = lambda t: self.norm(t)  # noqa: PLW0108 (the closure over the model is under test)

    def apply_norm(self, x):
        return self.post(x)


@register(("conv1", ("conv2", 1)))
class LambdaOverAContainer(IndirectNorm):
    """A lambda over a dict and a list of modules that the module itself does not hold."""

    def set_up(self):
        parts, more = {"norm": self.norm}, [self.conv2]
        self.post = lambda t: parts["norm"](t) + 0 * more[0](t).mean()

    def apply_norm(self, x):
        return self.post(x)


@register(CONVS)
class NestedClosure(IndirectNorm):
    """Decorators around decorators: a closure in a closure in a partial in a dict."""

    def set_up(self):
        def outer(function):
            def inner(x):
                return function(x)

            return inner

        norm = outer(outer(lambda x: self.norm(x)))  # noqa: PLW0108 (the closure over the model is under test)
        self.steps = {"first": [functools.partial(norm)]}

    def apply_norm(self, x):
        return self.steps["first"][0](x)


@register(CONVS)
class DefaultArgument(IndirectNorm):
    """Loops over lambdas bind the loop's variable as a default argument."""

    def set_up(self):
        self.post = [lambda t, norm=norm: norm(t) for norm in [self.norm]]

        def keyword(t, *, norm=self.norm):
            return norm(t)

        self.keyword = keyword

    def apply_norm(self, x):
        return self.post[0](x) + self.keyword(x)


class _Caller:
    """Not a module: holds one, and is called."""

    def __init__(self, module):
        self.module, self.calls = module, 0

    def __call__(self, x):
        self.calls += 1
        return self.module(x)


@register(CONVS)
class CallableObject(IndirectNorm):
    """Plain Python objects that wrap a module: losses, adapters, legacy blocks."""

    def set_up(self):
        self.caller = _Caller(self.norm)

    def apply_norm(self, x):
        return self.caller(x)


@register(CONVS)
class MethodOfAnObject(IndirectNorm):
    """A bound method of a plain object that holds a module, and one of a list."""

    def set_up(self):
        self.seen = []
        self.note = self.seen.append
        self.call = _Caller(self.norm).__call__

    def apply_norm(self, x):
        self.note(len(x))
        return self.call(x) * len(self.seen)


@register(CONVS)
class ObjectThatHoldsTheModel(IndirectNorm):
    """A strategy object that holds the whole model and calls its parts."""

    def set_up(self):
        self.caller = _Caller(self)

    def apply_norm(self, x):
        return self.caller.module.norm(x)


@dataclass
class _Parts:
    norm: nn.Module
    scale: float = 2.0


@register(CONVS)
class InADataclass(IndirectNorm):
    """Configuration dataclasses that hold modules."""

    def set_up(self):
        self.parts = _Parts(self.norm)

    def apply_norm(self, x):
        return self.parts.norm(x) * self.parts.scale


class _Slots:
    __slots__ = ("module", "used")

    def __init__(self, module):
        self.module, self.used = module, 0


@register(CONVS)
class InSlots(IndirectNorm):
    """Objects with `__slots__` have no `__dict__` to inspect."""

    def set_up(self):
        self.parts = _Slots(self.norm)

    def apply_norm(self, x):
        self.parts.used += 1
        return self.parts.module(x)


class _Proxy:
    """Delegates attributes to its target."""

    __slots__ = ("target",)

    def __init__(self, target):
        self.target = target

    def __getattr__(self, name):
        return getattr(self.target, name)

    def __call__(self, x):
        return self.target(x) * 2


@register(CONVS)
class ProxyWithSlots(Small):
    """An object with `__slots__` that delegates every attribute, as timers and loggers around a layer do."""

    def __init__(self):
        super().__init__()
        self.timed = _Proxy(self.norm)

    def stem(self, x):
        return self.timed(self.conv1(x)).relu()


@dataclass(frozen=True, slots=True)
class _Frozen:
    norm: nn.Module


Pair = namedtuple("Pair", "norm scale")


class _AttributeDict(dict):
    """Keys as attributes, the naive way: a missing attribute is a KeyError."""

    __getattr__ = dict.__getitem__


class _ListSubclass(list):
    """A subclass of list with a method."""

    def first(self):
        return self[0]


CONTAINERS = {
    "a plain list": (lambda norm: [norm], lambda container: container[0]),
    "a plain dict": (lambda norm: {"norm": norm}, lambda container: container["norm"]),
    "an OrderedDict": (lambda norm: OrderedDict(norm=norm), lambda container: container["norm"]),
    "a defaultdict": (lambda norm: defaultdict(nn.Identity, norm=norm), lambda container: container["norm"]),
    "a deque": (lambda norm: deque([norm], maxlen=3), lambda container: container[0]),
    "a tuple": (lambda norm: (norm, 1), lambda container: container[0]),
    "a namedtuple": (lambda norm: Pair(norm, 1.0), lambda container: container.norm),
    "a set": (lambda norm: {norm}, lambda container: next(iter(container))),
    "a list of dicts of tuples": (lambda norm: [{"a": (norm,)}], lambda container: container[0]["a"][0]),
    "a subclass of list": (lambda norm: _ListSubclass([norm]), lambda container: container.first()),
    "a dict with attributes": (lambda norm: _AttributeDict(norm=norm), lambda container: container.norm),
    "a UserDict": (lambda norm: UserDict(norm=norm), lambda container: container["norm"]),
    "a frozen dataclass with slots": (_Frozen, lambda container: container.norm),
    "keys of a dict": (lambda norm: {norm: 2}, lambda container: next(iter(container))),
}


def _register_container(name, wrap, unwrap):
    class Unregistered(Small):
        """Modules in plain containers are not registered: their statistics are in no state_dict."""

        def __init__(self):
            super().__init__()
            self.container = wrap(initialised(nn.Sequential(nn.BatchNorm2d(4))).eval())
            del self.norm

        def stem(self, x):
            return unwrap(self.container)(self.conv1(x)).relu()

    register(CONVS, name=f"an unregistered module in {name}")(Unregistered)

    class InTrainingMode(Unregistered):
        """`eval()` does not reach an unregistered module: its BatchNorm keeps updating from the batch."""

        def __init__(self):
            super().__init__()
            unwrap(self.container).train()

    register(CONVS, name=f"an unregistered module in training mode in {name}")(InTrainingMode)

    class AlsoRegistered(Small):
        """A registered module that is also in a plain container, through which the forward calls it."""

        def __init__(self):
            super().__init__()
            self.container = wrap(self.norm)

        def stem(self, x):
            return unwrap(self.container)(self.conv1(x)).relu()

    register(CONVS, name=f"a registered module in {name} too")(AlsoRegistered)


for _name, (_wrap, _unwrap) in CONTAINERS.items():
    _register_container(_name, _wrap, _unwrap)


@register(CONVS)
class ListsAndDictsOfTorch(Small):
    """nn.ModuleList, nn.ModuleDict, nn.ParameterList and nn.ParameterDict."""

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.GroupNorm(2, 4)])
        self.choice = nn.ModuleDict({"relu": nn.ReLU(), "gelu": nn.GELU()})
        self.scales = nn.ParameterList([torch.rand(4, 1, 1), torch.rand(4, 1, 1)])
        self.shifts = nn.ParameterDict({"a": torch.rand(4, 1, 1)})

    def stem(self, x):
        x = self.conv1(x)
        for norm, scale in zip(self.norms, self.scales):
            x = self.choice["gelu"](norm(x) * scale + self.shifts["a"])
        return x


@register(("features.stem.0", "features.body.conv"))
class SequentialWithAModuleDict(nn.Sequential):
    """Subclasses of nn.Sequential that hold a ModuleDict and run it by name."""

    def __init__(self):
        body = nn.Sequential(OrderedDict(conv=nn.Conv2d(4, 5, 3), act=nn.ReLU()))
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))
        self.features = nn.ModuleDict({"stem": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), "body": body})

    def forward(self, x):
        for part in self.features.values():
            x = part(x)
        for name in "012":
            x = self._modules[name](x)
        return x
