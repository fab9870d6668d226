"""Model copies: they share the model's weights and nothing else, so that the model itself is never changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from .copying import copy_model
from .forward_checks import CheckedForward, ReadsMemory, WritesToWeights, forbid_modules
from .memory_order import OrderPreference
from .random_numbers import GeneratorStates, PrivateRandomNumbers
from .snapshots import Snapshot
from .tensor_copies import memory_of

MAX_CHECKED = 1000  # shapes of images for which it is remembered that they need no further checks
MAX_IDLE = 4  # copies kept for the next call; more threads than that make new ones


class ModelCopies:
    """A pool of copies of one model: each call borrows one, and those that come back are kept for the next.

    A copy is in eval mode and has all that the model is made of; only the parameters' memory is shared (see
    `copy_model`). So the model is left unchanged, also when its forward raises, and threads that explain one model need
    no lock. The first forward pass over images of a shape is checked: a network that writes into its parameters runs on
    private ones from then on, one that draws random numbers gets generators of its own, and one that reaches the model
    itself from its copy is refused. A network that reads values it computes, and so may do something else for the next
    image, is checked each time.

    A copy that comes back is reset to the state in which it was made, and is used again while the model is what it was
    then. What buffers and other tensors of the model hold is copied anew each time.
    """

    def __init__(self, model: nn.Module):
        if isinstance(model, torch.jit.ScriptModule):
            raise TypeError(
                "expected an nn.Module in Python, got a TorchScript module, whose layers cannot be read: "
                "pass the model it was made from"
            )
        self.model = model
        self._idle: list[_ModelCopy] = []
        self._private: frozenset[int] = frozenset()  # ids of the parameters that the forward writes into
        self._draws: dict[tuple, bool] = {}  # shape of images that needs no checks → whether their forward draws
        self.any_order = True  # whether the forward may see images whose channels lie last in memory

    @contextmanager
    def borrow(self) -> Iterator["BorrowedCopy"]:
        """A copy for as long as the graph of its forward pass is used. One that an error stopped is not used again."""
        borrowed = BorrowedCopy(self)
        try:
            yield borrowed
        finally:
            borrowed.remove_hooks()
        if borrowed.model_copy.reset() and len(self._idle) < MAX_IDLE:
            self._idle.append(borrowed.model_copy)

    def take(self) -> "_ModelCopy":
        while self._idle:
            try:
                model_copy = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            if model_copy.refresh():
                return model_copy
        return _ModelCopy(self.model, self._private)

    def run(self, model_copy: "_ModelCopy", images: Tensor, channels_last: bool = False):
        """The outputs of a copy; checked, if need be. Raises WritesToWeights before weights are changed.

        channels_last: how `images` lie in memory, by this module's choice. Raises ReadsMemory where that would count.
        """
        kind = images.shape, images.dtype, images.device, channels_last
        if kind in self._draws and model_copy.private == self._private:
            with PrivateRandomNumbers(GeneratorStates()) if self._draws[kind] else nullcontext():
                return model_copy.root(images)
        with CheckedForward(model_copy.weights, channels_last) as checked, forbid_modules(model_copy.originals):
            outputs = model_copy.root(images)
        if not checked.value_dependent and len(self._draws) < MAX_CHECKED:
            self._draws[kind] = checked.drew
        return outputs

    def keep_private(self, parameters: frozenset[int], model_copy: "_ModelCopy"):
        """From now on copies get their own of these parameters, which `model_copy` was about to write into."""
        if parameters <= model_copy.private:
            raise TypeError(
                "expected a model that leaves its weights alone, but its forward changes some in a way that cannot be "
                "kept apart: let it compute with a copy of them"
            )
        self._private |= parameters


class BorrowedCopy:
    """A model copy that one call may run."""

    def __init__(self, pool: ModelCopies):
        self._pool = pool
        self.model_copy = pool.take()
        self._handles: list = []

    @property
    def root(self) -> nn.Module:
        return self.model_copy.root

    def forward(self, images: Tensor, attach: Callable[[nn.Module], list] = lambda root: [], *, order_for: int = 0):
        """The model's outputs for `images`, which stay as they are even where it writes into them.

        attach: puts hooks on the copy's layers and returns their handles; called anew where the first pass has to be
        made again. They stay as long as the copy is borrowed: a network that checkpoints runs a second time in its
        backward.
        order_for: lays the images out as is fastest for so many targets, where the model does not mind; 0: as they are.

        Raises TypeError for a model that runs a part of the original, and what the model's forward raises.
        """
        while True:
            self.remove_hooks()
            self._handles = attach(self.model_copy.root)
            try:
                if order_for and self._pool.any_order and self.model_copy.order.channels_last(images, order_for):
                    return self._pool.run(self.model_copy, images.clone(memory_format=torch.channels_last), True)
                return self._pool.run(self.model_copy, images.clone())
            except WritesToWeights as error:
                self._pool.keep_private(error.parameters, self.model_copy)
            except ReadsMemory:
                self._pool.any_order = False
            self.model_copy = self._pool.take()  # after the handler: its traceback refers to the forward pass

    def remove_hooks(self):
        for handle in self._handles:
            handle.remove()
        self._handles = []


class _ModelCopy:
    """One copy of the model, and what it takes to restore the state in which it was made."""

    def __init__(self, model: nn.Module, private: frozenset[int]):
        self.private = private
        self.root, session = copy_model(model, private)
        self.originals = session.modules  # their ids
        self.weights: dict[int | None, set[int]] = {}  # memory that is shared → ids of the parameters that lie there
        for weight, _ in session.aliases:
            self.weights.setdefault(memory_of(weight), set()).add(id(weight))
        self._clones, self._generators = session.clones, session.generators
        # Lists side by side, one of originals: to compare them is the most that a further call has to do.
        self._weights, self._aliases = _sides(session.aliases)
        self._tensors, clones = _sides(session.clones)
        self._places = [clone.detach() for clone in clones]  # where the clones' own memory is
        self._layouts = [_layout(clone) for clone in clones]
        self._storages, self._own = _sides(session.storages)
        self._sizes = [one.numel() for one in self._own]
        self._originals_then, self._copies_then = (
            Snapshot(*([pair[side] for pair in pairs] for pairs in (session.dicts, session.lists, session.cells)))
            for side in (0, 1)
        )
        self._original_classes = [(module, type(module)) for module in model.modules()]
        self._copied_classes = [(module, type(module)) for module in self.root.modules()]
        self._opaque = session.opaque
        self.order = OrderPreference(self.root)

    def reset(self) -> bool:
        """Undo what the forward has changed. False where something changed that cannot be undone."""
        if self._opaque or any(clone.requires_grad for _, clone in self._clones):
            return False
        self._copies_then.restore()
        for module, kind in self._copied_classes:
            if type(module) is not kind:
                module.__class__ = kind
        return True

    def refresh(self) -> bool:
        """Copy what the model's tensors hold now. False where the model is no longer what the copy was made of."""
        if not self._is_current():
            return False
        if self._storages:
            with torch.no_grad():  # one call for all
                torch._foreach_copy_(self._own, self._storages)  # pyright: ignore[reportPrivateImportUsage]
        for original, own in self._generators:
            own.set_state(original.get_state())
        return True

    def _is_current(self):
        return (
            self._originals_then.unchanged()
            and all(type(module) is kind for module, kind in self._original_classes)
            and _same_memory(self._weights, self._aliases)
            and _same_memory([clone for _, clone in self._clones], self._places)
            and [_layout(tensor) for tensor in self._tensors] == self._layouts
            and [one.numel() for one in self._storages] == self._sizes
        )


def _sides(pairs):
    """Pairs as two lists."""
    return [one for one, _ in pairs], [other for _, other in pairs]


def _same_memory(tensors, others):
    try:
        return all(map(Tensor.is_set_to, tensors, others))
    except RuntimeError:  # sparse, quantised: torch cannot tell
        return False


def _layout(tensor):
    """How a tensor lies in its memory."""
    return tensor.shape, tensor.dtype, tensor.storage_offset(), tensor.stride()
