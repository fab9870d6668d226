"""Checks on a model copy's forward pass: it must neither write into shared weights nor run the original's modules."""

from contextlib import contextmanager
from threading import get_ident

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_pre_hook

from .random_numbers import GeneratorStates, PrivateRandomNumbers
from .tensor_copies import memory_of


class WritesToWeights(BaseException):
    """The forward was about to change shared parameters. A BaseException: no handler in the model is to catch it."""

    def __init__(self, parameters: frozenset[int]):
        super().__init__("the model writes into its parameters")
        self.parameters = parameters  # their ids


class ReadsMemory(BaseException):
    """The forward was about to read memory in an order other than plain images have. No handler is to catch it."""


_READS_A_VALUE = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.nonzero.default,
}  # operations that tell Python a value
_BY_PLACE = {"as_strided", "as_strided_", "set_", "resize_", "resize_as_"}  # what they do depends on strides


class CheckedForward(PrivateRandomNumbers):
    """While active, this thread's operations may not write into weights' memory, and draw private random numbers.

    channels_last: the images' channels lie last in memory. So operations are refused whose result depends on the order
    in memory: those that name places in it, random numbers, which fill it in its order, and what others than torch
    wrote.
    """

    def __init__(self, weights: dict[int | None, set[int]], channels_last: bool = False):
        super().__init__(GeneratorStates())
        self._channels_last = channels_last
        self._weights = weights  # memory → ids of the parameters that lie there
        self.value_dependent = False  # whether the forward read a computed value, and may have branched on it

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.value_dependent |= operation in _READS_A_VALUE
        if isinstance(operation, OpOverload) and operation._schema.is_mutable:
            self._check(operation, args, kwargs or {})
        if self._channels_last and _depends_on_memory(operation, args):
            raise ReadsMemory
        result = super().__torch_dispatch__(operation, types, args, kwargs)
        if self._channels_last and self.drew:
            raise ReadsMemory
        return result

    def _check(self, operation, args, kwargs):
        values = {argument.name: value for argument, value in zip(operation._schema.arguments, args)} | kwargs
        for argument in operation._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = values.get(argument.name)
                tensors = written if isinstance(written, (list, tuple)) else [written]
                memories = [memory_of(one) for one in tensors if isinstance(one, Tensor)]
                parameters = set().union(*(self._weights.get(memory, ()) for memory in memories))
                if parameters:
                    raise WritesToWeights(frozenset(parameters))


def _depends_on_memory(operation, args):
    if not isinstance(operation, OpOverload):  # a higher-order operator
        return True
    namespace, _, name = operation._schema.name.partition("::")
    if name == "as_strided_" and _same_places(*args[:3]):  # torch's own convolution, of maps with one channel or row
        return False
    return namespace not in ("aten", "prim", "prims") or name in _BY_PLACE


def _same_places(tensor, size, stride):
    """Whether a tensor of this size and stride lies where `tensor` lies: an axis of one place has any stride."""
    steps = zip(size, tensor.stride(), stride)
    return tuple(size) == tensor.shape and all(length == 1 or old == new for length, old, new in steps)


@contextmanager
def forbid_modules(forbidden: set[int]):
    """Within it, this thread cannot run a module whose id is among these."""
    thread = get_ident()

    def refuse(module, args):
        if id(module) in forbidden and get_ident() == thread:
            raise TypeError(
                f"expected a model that runs its own layers, but this one reaches a {type(module).__name__} in a way "
                "that a copy of the model does not follow, so that the model itself would run and change: make it an "
                "attribute of the module that uses it"
            )

    handle = register_module_forward_pre_hook(refuse)
    try:
        yield
    finally:
        handle.remove()
