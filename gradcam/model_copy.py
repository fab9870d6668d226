"""Replicas of a model: the same weights in a private shell, so that the model itself is never touched."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from operator import is_
from threading import get_ident

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_pre_hook

from .copying import Copier, contents, fill, memory_of, put
from .random_numbers import Dice, OwnDice

KINDS = 1000  # shapes of images for which it is remembered that they need not be watched
KEPT = 4  # replicas that wait for the next call; more threads than that make new ones


class Replicas:
    """Lends replicas of one model, one to each call, and keeps those that come back for the next.

    A replica is a copy in eval mode of all that the model is made of; only the parameters' memory is shared (see `Copier`). So the
    model stays as found, also when its forward raises, and threads that explain one model need no lock. The first forward pass
    over images of a shape is watched: a network that writes into its parameters runs on private ones from then on, one that draws
    random numbers gets dice of its own, and one that reaches around its replica for the model itself is refused. A network that
    looks at values it computes, and so may do something else for the next image, is watched each time.

    A replica that comes back is put into the state in which it was made, and is lent again while the model is what it was
    then. What buffers and other tensors of the model hold is copied anew each time.
    """

    def __init__(self, model: nn.Module):
        if isinstance(model, torch.jit.ScriptModule):
            raise TypeError(
                "expected an nn.Module in Python, got a TorchScript module, whose layers cannot be read: pass the model it was made from"
            )
        self.model = model
        self._waiting: list[_Replica] = []
        self._private: frozenset[int] = frozenset()  # ids of the parameters that the forward writes into
        self._draws: dict[
            tuple, bool
        ] = {}  # kind of images → whether a forward of them draws random numbers; what need not be watched

    @contextmanager
    def lend(self) -> Iterator["Lent"]:
        """A replica for as long as the graph of its forward pass is used. One that an error stopped is not lent again."""
        lent = Lent(self)
        try:
            yield lent
        finally:
            lent.let_go()
        if lent.replica.rest() and len(self._waiting) < KEPT:
            self._waiting.append(lent.replica)

    def take(self) -> "_Replica":
        while self._waiting:
            try:
                replica = self._waiting.pop()
            except IndexError:  # another thread was quicker
                break
            if replica.wake():
                return replica
        return _Replica(self.model, self._private)

    def run(self, replica: "_Replica", images: Tensor):
        """What the replica puts out; watched, if need be. Raises _WroteIntoWeights before weights are changed."""
        kind = images.shape, images.dtype, images.device
        if kind in self._draws and replica.private == self._private:
            with OwnDice(Dice()) if self._draws[kind] else nullcontext():
                return replica.root(images)
        with _Watch(replica.weights) as watch, _tripwire(replica.originals):
            outputs = replica.root(images)
        if not watch.looked and len(self._draws) < KINDS:
            self._draws[kind] = watch.drew
        return outputs

    def keep_private(self, parameters: frozenset[int], replica: "_Replica"):
        """Of these parameters, which `replica` was about to write into, replicas get their own from now on."""
        if parameters <= replica.private:
            raise TypeError(
                "expected a model that leaves its weights alone, but its forward changes some in a way that cannot be kept apart: "
                "let it compute with a copy of them"
            )
        self._private |= parameters


class Lent:
    """A replica that one call may run."""

    def __init__(self, owner: Replicas):
        self._owner = owner
        self.replica = owner.take()
        self._handles: list = []

    @property
    def root(self) -> nn.Module:
        return self.replica.root

    def forward(self, images: Tensor, attach: Callable[[nn.Module], list] = lambda root: []):
        """What the model puts out for `images`, which stay as they are even where it writes into them.

        attach: puts hooks on the replica's layers and returns their handles; called anew where the first pass has to be made again.
        They stay as long as the replica is lent: a network that checkpoints runs a second time in its backward.

        Raises TypeError for a model that runs a part of the original, and what the model's forward raises.
        """
        while True:
            self.let_go()
            self._handles = attach(self.replica.root)
            try:
                return self._owner.run(self.replica, images.clone())
            except _WroteIntoWeights as wrote:
                self._owner.keep_private(wrote.parameters, self.replica)
            self.replica = self._owner.take()  # after the handler: its traceback holds on to the pass

    def let_go(self):
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []


class _Replica:
    """One copy of the model, and what it takes to have it as it was made."""

    def __init__(self, model: nn.Module, private: frozenset[int]):
        self.private = private
        made = Copier(private)
        self.root = made.copy(model)
        self.originals = made.modules  # their ids
        self.weights: dict[int | None, set[int]] = {}  # memory that is shared → ids of the parameters that lie there
        for weight, _ in made.aliases:
            self.weights.setdefault(memory_of(weight), set()).add(id(weight))
        self._aliases, self._clones, self._memories, self._generators = (
            made.aliases,
            made.clones,
            made.memories,
            made.generators,
        )
        self._places = [clone.detach() for _, clone in made.clones]  # where the clones' own memory is
        self._model, self._made = (
            _Contents(*([pair[side] for pair in pairs] for pairs in (made.dicts, made.lists, made.cells)))
            for side in (0, 1)
        )
        self._classes = [(module, type(module)) for module in model.modules()]
        self._own_classes = [(module, type(module)) for module in self.root.modules()]
        self._opaque = made.opaque

    def rest(self) -> bool:
        """Put back what the forward has changed. False where something changed that cannot be put back."""
        if self._opaque or any(clone.requires_grad for _, clone in self._clones):
            return False
        self._made.restore()
        for module, kind in self._own_classes:
            if type(module) is not kind:
                module.__class__ = kind
        return True

    def wake(self) -> bool:
        """Take over what the model's tensors hold now. False where the model is no longer what the replica was made of."""
        if not (
            self._model.unchanged()
            and all(type(module) is kind for module, kind in self._classes)
            and all(_same_memory(weight, alias) for weight, alias in self._aliases)
            and all(_same_memory(clone, place) for (_, clone), place in zip(self._clones, self._places))
            and all(_laid_alike(tensor, clone) for tensor, clone in self._clones)
            and all(theirs.numel() == ours.numel() for theirs, ours in self._memories)
        ):
            return False
        if self._memories:
            with torch.no_grad():
                torch._foreach_copy_([ours for _, ours in self._memories], [theirs for theirs, _ in self._memories])
        for theirs, ours in self._generators:
            ours.set_state(theirs.get_state())
        return True


class _Contents:
    """What some dictionaries, lists and cells hold, remembered."""

    def __init__(self, dicts: list, lists: list, cells: list):
        self._dicts, self._lists, self._cells = dicts, lists, cells
        self._then = self._now()

    def unchanged(self) -> bool:
        then, now = self._then, self._now()
        return then[:2] == now[:2] and len(then[2]) == len(now[2]) and all(map(is_, then[2], now[2]))

    def restore(self):
        """Put back what has changed since."""
        if self.unchanged():
            return
        sizes, keys, values = map(iter, self._then)
        for held in self._dicts:
            size = next(sizes)
            put(held, zip(islice(keys, size), islice(values, size)))
        for held in self._lists:
            put(held, islice(values, next(sizes)))
        for cell, value in zip(self._cells, values):
            fill(cell, value)

    def _now(self):
        """The sizes of all containers, all keys, all values: three lists, which are compared quicker than their thousands of parts."""
        sizes = [*map(len, self._dicts), *map(len, self._lists)]
        keys = [*chain.from_iterable(self._dicts)]
        values = chain.from_iterable((*map(dict.values, self._dicts), *self._lists))
        return sizes, keys, [*values, *map(contents, self._cells)]


class _WroteIntoWeights(BaseException):
    """The forward pass was about to change parameters, which the replica shares with the model. No handler in the model is to catch it."""

    def __init__(self, parameters: frozenset[int]):
        super().__init__("the model writes into its parameters")
        self.parameters = parameters  # their ids


_LOOKS = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default, torch.ops.aten.nonzero.default}


class _Watch(OwnDice):
    """While active, no operation of this thread writes into the memory of weights, and random numbers come from dice of its own."""

    def __init__(self, weights: dict[int | None, set[int]]):
        super().__init__(Dice())
        self._weights = weights  # memory → ids of the parameters that lie there
        self.looked = False  # whether the forward looked at a value, and may have gone by it

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.looked |= operation in _LOOKS
        if isinstance(operation, OpOverload) and operation._schema.is_mutable:
            self._check(operation, args, kwargs or {})
        return super().__torch_dispatch__(operation, types, args, kwargs)

    def _check(self, operation, args, kwargs):
        values = {argument.name: value for argument, value in zip(operation._schema.arguments, args)} | kwargs
        for argument in operation._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = values.get(argument.name)
                tensors = written if isinstance(written, (list, tuple)) else [written]
                found = set().union(
                    *(self._weights.get(memory_of(one), ()) for one in tensors if isinstance(one, Tensor))
                )
                if found:
                    raise _WroteIntoWeights(frozenset(found))


@contextmanager
def _tripwire(originals: set[int]):
    """While it lasts, this thread cannot run a module of the original."""
    thread = get_ident()

    def stop(module, args):
        if id(module) in originals and get_ident() == thread:
            raise TypeError(
                f"expected a model that runs its own layers, but this one reaches a {type(module).__name__} in a way that a copy of the model "
                "does not follow, so that the model itself would run and change: make it an attribute of the module that uses it"
            )

    handle = register_module_forward_pre_hook(stop)
    try:
        yield
    finally:
        handle.remove()


def _same_memory(one, other):
    try:
        return one.is_set_to(other)
    except RuntimeError:  # sparse, quantised: nobody can tell
        return False


def _laid_alike(one, other):
    """Whether two tensors of different memory lie there in the same way."""
    return (one.shape, one.dtype, one.storage_offset(), one.stride()) == (
        other.shape,
        other.dtype,
        other.storage_offset(),
        other.stride(),
    )
