"""Modules that know one another: parents and children, second names, shared weights, neighbours outside the model."""

import weakref
from concurrent.futures import ThreadPoolExecutor

from torch import nn

from .case import BOTH, NO_COPY, Small, lived_in, network


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


@network(("conv1", "child.conv"), sentence=NO_COPY, or_right=True)
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


@network(("conv1", "child.conv"), sentence=NO_COPY, or_right=True)
class WeakReference(Small):
    """A weak reference to the parent in a child, by a method of the class."""

    child_of, point = _WeakChild, staticmethod(weakref.ref)

    def __init__(self):
        super().__init__()
        self.child = self.child_of(None)
        object.__setattr__(
            self.child, "parent", self.point(self)
        )  # torch would register a proxy of a module as a module
        del self.conv2

    def forward(self, x):
        return self.child(self.conv1(x))


@network(("conv1", "child.conv"), sentence=NO_COPY, or_right=True)
class WeakProxy(WeakReference):
    """`weakref.proxy(parent)`, as Lightning's metrics do."""

    child_of, point = _ProxyChild, staticmethod(weakref.proxy)


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


REACHES = r"reach|copy|attribute|own layers"


@network(BOTH, sentence=REACHES, or_right=True)
def class_that_closes_over_a_module():
    """A class made in a function, whose methods close over a module that is registered as well."""
    norm = nn.BatchNorm2d(4)

    class Closes(Small):
        def __init__(self):
            super().__init__()
            self.norm = norm

        def stem(self, x):
            return norm(self.conv1(x)).relu()

    return lived_in(Closes())


class _ByItsClass(Small):
    """Small, whose norm is reached by the class and registered by the instance."""

    common = None

    def __init__(self):
        super().__init__()
        type(self).common = self.norm

    def stem(self, x):
        return type(self).common(self.conv1(x)).relu()


@network(BOTH, sentence=REACHES, or_right=True, alone=True)
def module_of_the_class():
    """`Net.shared = …`: a module in a class attribute, and registered."""
    return lived_in(type("_ByThisClass", (_ByItsClass,), {})())


_REGISTRY = {}


class _Registered(Small):
    def __init__(self, name):
        super().__init__()
        self.name = name
        _REGISTRY[name] = self

    def stem(self, x):
        return _REGISTRY[self.name].norm(self.conv1(x)).relu()


@network(BOTH, sentence=REACHES, or_right=True, alone=True)
def reached_through_a_registry():
    """A registry in the file through which modules find one another by name."""
    return lived_in(_Registered(f"model {len(_REGISTRY)}"))


@network(("conv1", "conv2", "branch"))
class ThreadsOfItsOwn(Small):
    """Branches computed in threads of the forward's own, as DataParallel does on one machine."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Conv2d(4, 4, 1)

    def stem(self, x):
        x = super().stem(x)
        with ThreadPoolExecutor(2) as pool:
            halves = pool.map(lambda module: module(x), [self.branch, self.norm])
        return sum(halves)
