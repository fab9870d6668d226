"""Where modules hide: in plain containers, closures, partials, objects, slots, properties, parents and second names."""

import functools
from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

import torch
from torch import nn

from .case import BOTH, Small, lived_in, network


class Held(Small):
    """Small, with its BatchNorm reached through something that `hold` made of it. The statistics give away who ran."""

    def __init__(self):
        super().__init__()
        self.hold()

    def hold(self):
        raise NotImplementedError

    def normed(self, x):
        raise NotImplementedError

    def stem(self, x):
        return self.normed(self.conv1(x)).relu()


@network(BOTH)
class PartialOfAMethod(Held):
    """`self.f = functools.partial(self._f, …)` binds a setting once."""

    def hold(self):
        self.f = functools.partial(self._f, scale=2.0)

    def _f(self, x, scale):
        return self.norm(x) * scale

    def normed(self, x):
        return self.f(x)


@network(BOTH)
class PartialOfAModule(Held):
    """A partial whose function is the module itself, and one that takes it as an argument."""

    def hold(self):
        self.f = functools.partial(self.norm)
        self.g = functools.partial(lambda module, x: module(x), self.norm)

    def normed(self, x):
        return self.f(x) + self.g(x)


@network(BOTH)
class Lambda(Held):
    """`self.post = lambda t: self.bn(t)`: a post-processing chosen at construction."""

    def hold(self):
        self.post = lambda t: self.norm(t)

    def normed(self, x):
        return self.post(x)


@network(("conv1", ("conv2", 1)))
class LambdaOverAContainer(Held):
    """A lambda over a dict and a list of modules that the module itself does not hold."""

    def hold(self):
        parts, more = {"norm": self.norm}, [self.conv2]
        self.post = lambda t: parts["norm"](t) + 0 * more[0](t).mean()

    def normed(self, x):
        return self.post(x)


@network(BOTH)
class NestedClosure(Held):
    """Decorators around decorators: a closure in a closure in a partial in a dict."""

    def hold(self):
        def outer(function):
            def inner(x):
                return function(x)

            return inner

        self.steps = {"first": [functools.partial(outer(outer(lambda x: self.norm(x))))]}

    def normed(self, x):
        return self.steps["first"][0](x)


@network(BOTH)
class DefaultArgument(Held):
    """Loops over lambdas bind the loop's variable as a default argument."""

    def hold(self):
        self.post = [lambda t, norm=norm: norm(t) for norm in [self.norm]]

        def keyword(t, *, norm=self.norm):
            return norm(t)

        self.keyword = keyword

    def normed(self, x):
        return self.post[0](x) + self.keyword(x)


class _Caller:
    """Not a module: holds one, and is called."""

    def __init__(self, module):
        self.module, self.calls = module, 0

    def __call__(self, x):
        self.calls += 1
        return self.module(x)


@network(BOTH)
class CallableObject(Held):
    """Plain Python objects that wrap a module: losses, adapters, old-style blocks."""

    def hold(self):
        self.caller = _Caller(self.norm)

    def normed(self, x):
        return self.caller(x)


@network(BOTH)
class MethodOfAnObject(Held):
    """A bound method of a plain object that holds a module, and one bound to a list."""

    def hold(self):
        self.seen = []
        self.note = self.seen.append
        self.call = _Caller(self.norm).__call__

    def normed(self, x):
        self.note(len(x))
        return self.call(x) * len(self.seen)


@network(BOTH)
class ObjectThatHoldsTheModel(Held):
    """A strategy object that is given the whole model and calls its parts."""

    def hold(self):
        self.caller = _Caller(self)

    def normed(self, x):
        return self.caller.module.norm(x)


@dataclass
class _Parts:
    norm: nn.Module
    scale: float = 2.0


@network(BOTH)
class HeldByADataclass(Held):
    """Configuration dataclasses carry modules around."""

    def hold(self):
        self.parts = _Parts(self.norm)

    def normed(self, x):
        return self.parts.norm(x) * self.parts.scale


class _Slots:
    __slots__ = ("module", "used")

    def __init__(self, module):
        self.module, self.used = module, 0


@network(BOTH)
class HeldInSlots(Held):
    """Objects with `__slots__` have no dict to look into."""

    def hold(self):
        self.parts = _Slots(self.norm)

    def normed(self, x):
        self.parts.used += 1
        return self.parts.module(x)


class _StandIn:
    """Answers for what it holds."""

    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held

    def __getattr__(self, name):
        return getattr(self.held, name)

    def __call__(self, x):
        return self.held(x) * 2


@network(BOTH)
class StandInInSlots(Small):
    """An object with `__slots__` that hands on every attribute, as timers and loggers around a layer do."""

    def __init__(self):
        super().__init__()
        self.timed = _StandIn(self.norm)

    def stem(self, x):
        return self.timed(self.conv1(x)).relu()


@dataclass(frozen=True, slots=True)
class _Frozen:
    norm: nn.Module


Pair = namedtuple("Pair", "norm scale")


class _AttributeDict(dict):
    """Keys as attributes, the naive way: asking it for anything that is not there is a KeyError."""

    __getattr__ = dict.__getitem__


class _MyList(list):
    """A list with a method of its own."""

    def first(self):
        return self[0]


CONTAINERS = {
    "a plain list": (lambda norm: [norm], lambda held: held[0]),
    "a plain dict": (lambda norm: {"norm": norm}, lambda held: held["norm"]),
    "an OrderedDict": (lambda norm: OrderedDict(norm=norm), lambda held: held["norm"]),
    "a defaultdict": (lambda norm: defaultdict(nn.Identity, norm=norm), lambda held: held["norm"]),
    "a deque": (lambda norm: deque([norm], maxlen=3), lambda held: held[0]),
    "a tuple": (lambda norm: (norm, 1), lambda held: held[0]),
    "a namedtuple": (lambda norm: Pair(norm, 1.0), lambda held: held.norm),
    "a set": (lambda norm: {norm}, lambda held: next(iter(held))),
    "a list of dicts of tuples": (lambda norm: [{"a": (norm,)}], lambda held: held[0]["a"][0]),
    "a subclass of list": (lambda norm: _MyList([norm]), lambda held: held.first()),
    "a dict with attributes": (lambda norm: _AttributeDict(norm=norm), lambda held: held.norm),
    "a UserDict": (lambda norm: UserDict(norm=norm), lambda held: held["norm"]),
    "a frozen dataclass with slots": (lambda norm: _Frozen(norm), lambda held: held.norm),
    "keys of a dict": (lambda norm: {norm: 2}, lambda held: next(iter(held))),
}


def _container(name, put, take):
    class Hidden(Small):
        """Modules in plain containers are not registered: their statistics are in no state_dict."""

        def __init__(self):
            super().__init__()
            self.held = put(lived_in(nn.Sequential(nn.BatchNorm2d(4))).eval())
            del self.norm

        def stem(self, x):
            return take(self.held)(self.conv1(x)).relu()

    network(BOTH, name=f"an unregistered module in {name}")(Hidden)

    class Learning(Hidden):
        """`eval()` does not reach an unregistered module: its BatchNorm goes on learning from the batch."""

        def __init__(self):
            super().__init__()
            take(self.held).train()

    network(BOTH, name=f"an unregistered module that learns in {name}")(Learning)

    class Twice(Small):
        """A registered module that is also in a plain container, by which the forward reaches it."""

        def __init__(self):
            super().__init__()
            self.held = put(self.norm)

        def stem(self, x):
            return take(self.held)(self.conv1(x)).relu()

    network(BOTH, name=f"a registered module in {name} too")(Twice)


for _name, (_put, _take) in CONTAINERS.items():
    _container(_name, _put, _take)


@network(BOTH)
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


@network(("features.stem.0", "features.body.conv"))
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
