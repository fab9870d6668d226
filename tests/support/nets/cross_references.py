"""Modules that refer to each other: parents, second names, shared weights, modules outside the model."""

import weakref
from concurrent.futures import ThreadPoolExecutor

from torch import nn

from .case import CONVS, COPY_ERROR, Small, initialised, register


class _Child(nn.Module):
    """A block that uses layers of its parent."""

    def __init__(self, parent):
        super().__init__()
        self.conv = nn.Conv2d(4, 5, 3)
        self.parent = parent

    def forward(self, x):
        return self.owner().head(self.conv(self.owner().norm(x)).relu().mean((2, 3)))

    def owner(self):
        return self.parent[0]


@register(("conv1", "child.conv"))
class RefersToItsParent(Small):
    """A block holds its parent in a list, so that torch does not register a cycle."""

    wrap = staticmethod(lambda parent: [parent])

    def __init__(self):
        super().__init__()
        self.child = _Child(self.wrap(self))
        del self.conv2

    def forward(self, x):
        return self.child(self.conv1(x))


@register(("conv1", "child.conv"))
class RefersToItsParentByAttribute(RefersToItsParent):
    """The same, bypassing torch's registration, as `object.__setattr__` and Lightning's `trainer` do."""

    wrap = staticmethod(lambda parent: None)

    def __init__(self):
        super().__init__()
        object.__setattr__(self.child, "parent", (self,))


@register(("conv1", "child.conv"), error=COPY_ERROR, maps_allowed=True)
class RefersToItsParentWeakly(RefersToItsParent):
    """A weak reference to the parent keeps no cycle alive, and always points at the original."""

    wrap = staticmethod(weakref.ref)

    def __init__(self):
        super().__init__()
        self.child.owner = lambda child=self.child: child.parent()


class _WeakChild(_Child):
    def owner(self):
        return self.parent()


class _ProxyChild(_Child):
    def owner(self):
        return self.parent


@register(("conv1", "child.conv"), error=COPY_ERROR, maps_allowed=True)
class WeakReference(Small):
    """A child with a weak reference to its parent, dereferenced by a method of the class."""

    child_of, reference = _WeakChild, staticmethod(weakref.ref)

    def __init__(self):
        super().__init__()
        self.child = self.child_of(None)
        # torch would register a proxy of a module as a module
        object.__setattr__(self.child, "parent", self.reference(self))
        del self.conv2

    def forward(self, x):
        return self.child(self.conv1(x))


@register(("conv1", "child.conv"), error=COPY_ERROR, maps_allowed=True)
class WeakProxy(WeakReference):
    """`weakref.proxy(parent)`, as Lightning's metrics do."""

    child_of, reference = _ProxyChild, staticmethod(weakref.proxy)


@register(("a", "b", "again"), error=r"once|same|tied|twice|times|names", maps_allowed=True)
class SameModuleTwice(Small):
    """One module under two names, both explained."""

    def __init__(self):
        super().__init__()
        self.a = self.b = nn.Conv2d(4, 4, 1)
        self.again = self.conv2

    def stem(self, x):
        return self.a(super().stem(x))


@register(("again", "conv1"))
class SecondNameAsLayer(Small):
    """A module registered under two names — `self.backbone.layer4` and `self.last` — explained by its second."""

    def __init__(self):
        super().__init__()
        self.again = self.conv2


@register(CONVS)
class TiedHeads(Small):
    """Two Linears with one parameter: weight tying."""

    def __init__(self):
        super().__init__()
        self.tied = nn.Linear(5, 4)
        self.tied.weight = self.head.weight

    def top(self, x):
        pooled = self.conv2(x).relu().mean((2, 3))
        return self.head(pooled) + self.tied(pooled).sigmoid()


@register(CONVS)
class SharedBatchNorm(Small):
    """One BatchNorm shared by two blocks, under two names."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 1), self.norm)

    def stem(self, x):
        return self.block(super().stem(x)).relu()


_OUTSIDE = [initialised(nn.Sequential(nn.BatchNorm2d(4))).eval()]


@register(CONVS)
class UsesAModuleLevelModule(Small):
    """The forward uses a module and a list that are global variables, outside the model."""

    def stem(self, x):
        return _OUTSIDE[0](self.conv1(x)).relu() * len(_OUTSIDE)


REFERENCE_ERROR = r"reach|copy|attribute|own layers"


@register(CONVS, error=REFERENCE_ERROR, maps_allowed=True)
def class_that_closes_over_a_module():
    """A class defined in a function, whose methods close over a module that is also registered."""
    norm = nn.BatchNorm2d(4)

    class Closes(Small):
        def __init__(self):
            super().__init__()
            self.norm = norm

        def stem(self, x):
            return norm(self.conv1(x)).relu()

    return initialised(Closes())


class _ByClassAttribute(Small):
    """Small, whose norm is a class attribute and also registered on the instance."""

    common = None

    def __init__(self):
        super().__init__()
        type(self).common = self.norm

    def stem(self, x):
        return type(self).common(self.conv1(x)).relu()


@register(CONVS, error=REFERENCE_ERROR, maps_allowed=True, process_wide=True)
def module_in_a_class_attribute():
    """`Net.shared = …`: a module that is both a class attribute and registered."""
    return initialised(type("_ByThisClass", (_ByClassAttribute,), {})())


_REGISTRY = {}


class _Registered(Small):
    def __init__(self, name):
        super().__init__()
        self.name = name
        _REGISTRY[name] = self

    def stem(self, x):
        return _REGISTRY[self.name].norm(self.conv1(x)).relu()


@register(CONVS, error=REFERENCE_ERROR, maps_allowed=True, process_wide=True)
def reached_through_a_registry():
    """A global registry through which modules look each other up by name."""
    return initialised(_Registered(f"model {len(_REGISTRY)}"))


@register(("conv1", "conv2", "branch"))
class RunsItsOwnThreads(Small):
    """Branches computed in threads that the forward starts, as DataParallel does on one machine."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Conv2d(4, 4, 1)

    def stem(self, x):
        x = super().stem(x)
        with ThreadPoolExecutor(2) as pool:
            halves = pool.map(lambda module: module(x), [self.branch, self.norm])
        return sum(halves)
