"""Where modules hide: in plain containers, closures, partials, objects, slots, properties, parents and second names."""

import functools
import threading
import weakref
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


@network(BOTH)
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
}  # fmt: skip


def _container(name, put, take):
    class Hidden(Small):
        """Modules in plain containers are not registered: their statistics are nobody's buffers, and `eval()` does not reach them."""

        def __init__(self):
            super().__init__()
            self.held = put(lived_in(nn.Sequential(nn.BatchNorm2d(4))).eval())
            del self.norm

        def stem(self, x):
            return take(self.held)(self.conv1(x)).relu()

    network(BOTH, name=f"an unregistered module in {name}")(Hidden)

    class Learning(Hidden):
        """`eval()` does not reach an unregistered module: its BatchNorm goes on normalising by the batch and learning from it."""

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


class _Child(nn.Module):
    """A block that asks its parent for a setting."""

    def __init__(self, parent):
        super().__init__()
        self.conv = nn.Conv2d(4, 5, 3)
        self.parent = parent

    def forward(self, x):
        return self.owner().head(self.conv(self.owner().norm(x)).relu().mean((2, 3)))

    def owner(self):
        return self.parent[0]


@network(("conv1", "child.conv"))
class KnowsItsParent(Small):
    """A block holds its parent in a list, so that torch does not register a cycle."""

    wrap = staticmethod(lambda parent: [parent])

    def __init__(self):
        super().__init__()
        self.child = _Child(self.wrap(self))
        del self.conv2

    def forward(self, x):
        return self.child(self.conv1(x))


@network(("conv1", "child.conv"))
class KnowsItsParentByAttribute(KnowsItsParent):
    """The same, past torch's registration, as `object.__setattr__` and Lightning's `trainer` do."""

    wrap = staticmethod(lambda parent: None)

    def __init__(self):
        super().__init__()
        object.__setattr__(self.child, "parent", (self,))


@network(("conv1", "child.conv"))
class KnowsItsParentWeakly(KnowsItsParent):
    """A weak reference to the parent keeps no cycle alive, and points at the original for ever."""

    wrap = staticmethod(lambda parent: weakref.ref(parent))

    def __init__(self):
        super().__init__()
        self.child.owner = lambda child=self.child: child.parent()


class _WeakChild(_Child):
    def owner(self):
        return self.parent()


class _ProxyChild(_Child):
    def owner(self):
        return self.parent


@network(("conv1", "child.conv"))
class WeakReference(Small):
    """A weak reference to the parent in a child, by a method of the class."""

    child_of, point = _WeakChild, staticmethod(weakref.ref)

    def __init__(self):
        super().__init__()
        self.child = self.child_of(None)
        object.__setattr__(self.child, "parent", self.point(self))  # torch would register a proxy of a module as a module
        del self.conv2

    def forward(self, x):
        return self.child(self.conv1(x))


@network(("conv1", "child.conv"))
class WeakProxy(WeakReference):
    """`weakref.proxy(parent)`, as Lightning's metrics do."""

    child_of, point = _ProxyChild, staticmethod(weakref.proxy)


@network(BOTH)
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


@network(BOTH)
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
    __slots__ = ("scale", "cache")


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


@network(("a", "b", "again"), sentence=r"once|same|tied|twice|times|names", or_right=True)
class SameModuleTwice(Small):
    """One module under two names, asked for by both."""

    def __init__(self):
        super().__init__()
        self.a = self.b = nn.Conv2d(4, 4, 1)
        self.again = self.conv2

    def stem(self, x):
        return self.a(super().stem(x))


@network(("again", "conv1"))
class SecondNameAsLayer(Small):
    """A module registered under two names — `self.backbone.layer4` and `self.last` — asked for by its second."""

    def __init__(self):
        super().__init__()
        self.again = self.conv2


@network(BOTH)
class TiedHeads(Small):
    """Two Linears with one parameter: weight tying."""

    def __init__(self):
        super().__init__()
        self.tied = nn.Linear(5, 4)
        self.tied.weight = self.head.weight

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(pooled) + self.tied(pooled).sigmoid()


@network(BOTH)
class SharedBatchNorm(Small):
    """One BatchNorm shared by two blocks, under two names."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 1), self.norm)

    def stem(self, x):
        return self.block(super().stem(x)).relu()


_OUTSIDE = [lived_in(nn.Sequential(nn.BatchNorm2d(4))).eval()]


@network(BOTH)
class UsesAModuleOfTheFile(Small):
    """The forward reaches for a module and a list that lie in the file, outside the model."""

    def stem(self, x):
        return _OUTSIDE[0](self.conv1(x)).relu() * len(_OUTSIDE)
