"""What Python objects hold (items, attributes, slots, closure variables) and which types are immutable."""

import collections
import enum
import functools
import pathlib
import re
import threading
import types
import weakref

import numpy as np
import torch
from torch import Tensor, nn

# Immutable, or not changed by a forward pass: copies use the same object.
_BUILT_IN = (int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)
_STANDARD_LIBRARY = (re.Pattern, enum.Enum, pathlib.PurePath)
_CODE = (type, types.ModuleType, types.CodeType, types.WrapperDescriptorType, types.MethodDescriptorType, property)
_TORCH = (torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, torch.fx.Graph, torch.fx.Node)
_TORCH_FUNCTIONS = (torch.ScriptObject, torch.jit.ScriptFunction, torch._ops.OpOverload, torch._ops.OpOverloadPacket)
_NUMPY = (np.generic, np.dtype)
IMMUTABLE = (*_BUILT_IN, *_STANDARD_LIBRARY, *_CODE, *_TORCH, *_TORCH_FUNCTIONS, *_NUMPY)
SIMPLE_TYPES = frozenset({int, float, bool, str, type(None), torch.dtype, torch.device, torch.Size})  # exact types


# Containers


def base_type(value, *candidates):
    """The first of some types that a value is an instance of."""
    return next(one for one in candidates if isinstance(value, one))


def replace_items(container, items):
    """Make `items` all that a dictionary, list, set or deque holds, bypassing its subclass's methods."""
    base = base_type(container, collections.OrderedDict, dict, list, set, collections.deque)
    items = list(items)  # before the container is cleared: they may come from it
    base.clear(container)
    (base.extend if base in (list, collections.deque) else base.update)(container, items)


# Closure cells


def cell_contents(cell):
    """What a cell holds; the cell's own type where it is empty."""
    return types.CellType if cell == types.CellType() else cell.cell_contents


def set_cell_contents(cell, value):
    if value is not types.CellType:
        cell.cell_contents = value
    elif cell != types.CellType():
        del cell.cell_contents


# Objects


def is_plain_class(kind):
    """Whether a class keeps its instances' state where Python shows it: in attributes and slots, and nowhere else."""
    if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
        return False
    try:
        object.__new__(kind)
    except TypeError:  # another memory layout: a class written in C, or a subclass of one
        return False
    return all(one is object or "__module__" in vars(one) for one in kind.__mro__)


def has_attributes(value):
    """Whether a value has a `__dict__`, by its type: a proxy would answer for the object that it stands for."""
    return type(value).__dictoffset__ != 0 or isinstance(value, threading.local)


def slots_of(kind):
    """The descriptors of a class's slots."""
    declaring = (one for one in kind.__mro__ if "__slots__" in vars(one))
    return [value for one in declaring for value in vars(one).values() if type(value) is types.MemberDescriptorType]


# Functions


def modules_named_by(function):
    """The nn.Modules among a function's globals that its code names: name, module."""
    known, codes = function.__globals__, [function.__code__]
    while codes:
        code = codes.pop()
        codes += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
        yield from ((name, known[name]) for name in code.co_names if isinstance(known.get(name), nn.Module))


def holds_mutable_state(function, seen):
    """Whether a function holds anything that could change: in its closure, its defaults or its attributes."""
    seen.add(function)
    return any(
        value not in seen and holds_mutable_state(value, seen)
        if type(value) is types.FunctionType
        else not isinstance(value, IMMUTABLE)
        for value in (*_closure(function), *_defaults_and_attributes(function))
    )


def _closure(function):
    return map(cell_contents, function.__closure__ or ())


def _defaults_and_attributes(function):
    return *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *vars(function).values()


def references(value):
    """The objects that a value refers to, as far as a copy follows them."""
    if isinstance(value, weakref.ref):
        return [value()]
    if isinstance(value, (Tensor, nn.Module, *IMMUTABLE)):
        return []
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, (list, set, tuple, frozenset, collections.deque)):
        return value
    if type(value) is types.FunctionType:
        modules = (module for _, module in modules_named_by(value))
        return [*_closure(value), *modules, *_defaults_and_attributes(value)]
    if type(value) is types.MethodType:
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    return [*vars(value).values()] if is_plain_class(type(value)) and has_attributes(value) else []
