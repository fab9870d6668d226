"""Copies a model with everything it refers to; only the memory of its parameters is shared with the original."""

import collections
import functools
import threading
import types
import weakref

import numpy as np
import torch
from torch import Tensor, nn

from . import module_copies, object_copies, tensor_copies
from .copy_session import CopyFunction, CopySession
from .python_objects import IMMUTABLE, is_plain_class

_COPY_FUNCTIONS = (  # types → how they are copied; the first that fits
    (weakref.ProxyTypes, object_copies.copy_proxy),
    (Tensor, tensor_copies.copy_tensor),
    (nn.Module, module_copies.copy_module),
    (dict, object_copies.copy_dict),
    ((list, set, collections.deque), object_copies.copy_list),
    (IMMUTABLE, object_copies.copy_nothing),
    ((tuple, frozenset), object_copies.copy_tuple),
    (types.FunctionType, object_copies.copy_function),
    (types.MethodType, object_copies.copy_method),
    (types.BuiltinFunctionType, object_copies.copy_builtin),
    (types.CellType, object_copies.copy_cell),
    (functools.partial, object_copies.copy_partial),
    (weakref.ref, object_copies.copy_reference),
    (np.ndarray, object_copies.copy_array),
    (torch.Generator, tensor_copies.copy_generator),
    (threading.local, object_copies.copy_thread_local),
)


def copy_model(model: nn.Module, private: frozenset[int] = frozenset()) -> tuple[nn.Module, CopySession]:
    """A copy of the model and whatever it refers to, each thing once; and the session that pairs originals and copies.

    Modules, containers, objects and tensors are copied; so are functions that hold any of these, as default, in a
    closure or by the name of a global. Parameters become detached aliases of the same memory, but for those whose ids
    are in `private`. What Python cannot copy, such as a lock, stays the same object, and nothing can be taken from a
    generator. A copied module is in eval mode and calls no backward hooks; a compiled one is as it was before it was
    compiled.

    Raises ValueError for weights that are not there yet: lazy, or on the meta device.
    """
    session = CopySession(_copy_function, private)
    session.registered = {id(module) for module in model.modules()}
    weights = list(model.parameters())
    memory_of = tensor_copies.memory_of
    session.private_memory = {memory_of(weight) for weight in weights if id(weight) in private}
    session.shared_memory = {memory_of(weight) for weight in weights} - session.private_memory
    for module in model.modules():  # first: functions look for them among their globals
        session.copy_of(module)
    copied = session.copy_of(model)
    session.fill_all()
    module_copies.fill_forward_hooks(session)  # last: only now is it known what belongs to the model
    return copied, session


def _copy_function(kind: type) -> CopyFunction:
    for kinds, function in _COPY_FUNCTIONS:
        if issubclass(kind, kinds):
            return function
    return object_copies.copy_object if is_plain_class(kind) else object_copies.copy_foreign
