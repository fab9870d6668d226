"""A private copy of everything that hangs on a model, but for its weights: those stay where they are in memory."""

import collections
import copy
import enum
import functools
import io
import pathlib
import re
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .batch_norm import AFFINE

# What cannot change, or is not changed by a forward pass: it stays the same object.
_SAME = (
    *(
        int,
        float,
        complex,
        str,
        bytes,
        type(None),
        type(Ellipsis),
        range,
        slice,
        re.Pattern,
        enum.Enum,
        pathlib.PurePath,
    ),
    *(type, types.ModuleType, types.CodeType, types.WrapperDescriptorType, types.MethodDescriptorType, property),
    *(torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, torch.fx.Graph, torch.fx.Node),
    *(
        torch.ScriptObject,
        torch.jit.ScriptFunction,
        torch._ops.OpOverload,
        torch._ops.OpOverloadPacket,
        np.generic,
        np.dtype,
    ),
)
_QUICK = frozenset(
    {int, float, bool, str, type(None), torch.dtype, torch.device, torch.Size}
)  # the same, by type alone
_ORIGINAL = "_torchdynamo_orig_callable"  # where torch.compile keeps what it was given

_LISTENERS = frozenset({"_forward_hooks", "_forward_pre_hooks"})
_OWN_TABLES = frozenset(
    name
    for name, value in vars(nn.Module()).items()
    if name not in ("_parameters", "_buffers", "_modules") and isinstance(value, (dict, set))
)  # torch's, of flags for hooks, and of hooks that a forward pass does not run
_EMPTIED = frozenset({"_backward_hooks", "_backward_pre_hooks"})  # the user's, for backward passes of the user's own
_LEFT_OUT = frozenset({"_compiled_call_impl"})  # torch.compile's: without it a module runs its forward
_COMPILER = frozenset({"dynamo_ctx", "forward", "get_compiler_config", _ORIGINAL})  # of a compiled module


class Copier:
    """Copies a model and whatever it reaches, each thing once, however things are tied to each other.

    Modules, containers, objects and tensors are copied; so are functions that hold any of these, as default, in a closure or by the name of
    a global. Parameters become detached aliases of the same memory, but for those whose ids are in `private`. What Python cannot
    copy, such as a lock, stays the same object, and nothing can be taken from a generator. A copied module is in eval
    mode and calls no backward hooks; a compiled one is as it was before it was compiled.

    Raises ValueError for weights that are not there yet: lazy, or on the meta device.
    """

    def __init__(self, private: frozenset[int] = frozenset()):
        self._private = private
        self._copies: dict[int, object] = {}  # id of the original → its copy
        self._originals: list = []  # held, so that no id is used twice
        self._makers: dict[type, Callable] = {}  # how each kind met so far is copied
        self._shared: dict[type, dict] = {}  # what each kind of module shares among its instances
        self._to_fill: list[tuple] = []  # (function that fills, original, its copy, still empty)
        self.modules: set[int] = set()  # ids of the originals
        self._registered: set[int] = set()  # ... of those that the model knows of
        self.aliases: list[tuple[Tensor, Tensor]] = []  # (original, copy) of tensors whose memory is shared
        self.clones: list[tuple[Tensor, Tensor]] = []  # ... of tensors that have memory of their own
        self.memories: list[tuple[Tensor, Tensor]] = []  # that memory and the original's, in bytes
        self._memories: dict[int, torch.UntypedStorage] = {}  # place of the original's → the copy's own
        self._shared_memory: set[int | None] = set()  # where registered parameters lie, but for private ones
        self._private_memory: set[int | None] = set()  # ... and the private ones
        self._hooks: list[tuple[dict, dict]] = []  # forward hooks, to be filled in the end
        self.generators: list[tuple[torch.Generator, torch.Generator]] = []
        self.dicts: list[tuple[dict, dict]] = []  # the attributes of modules and objects among them
        self.lists: list[tuple] = []  # and sets and deques
        self.cells: list[tuple[types.CellType, types.CellType]] = []
        self.opaque = False  # whether anything was copied whose contents are in none of these lists

    def copy(self, model: nn.Module) -> nn.Module:
        self._registered = {id(module) for module in model.modules()}
        weights = list(model.parameters())
        self._private_memory = {memory_of(weight) for weight in weights if id(weight) in self._private}
        self._shared_memory = {memory_of(weight) for weight in weights} - self._private_memory
        for module in model.modules():  # first: functions look for them among their globals
            self._of(module)
        copied = self._of(model)
        self._fill_all()
        for hooks, made in self._hooks:  # last: it is known now what belongs to the model
            for key, hook in hooks.items():
                made[key] = self._of(hook) if self._reaches(hook, set()) else hook
            self._fill_all()
        return copied

    def _fill_all(self):
        while self._to_fill:
            fill, original, made = self._to_fill.pop()
            fill(original, made)

    def __contains__(self, value) -> bool:
        return id(value) in self._copies

    def _of(self, value):
        if type(value) in _QUICK:
            return value
        if id(value) not in self._copies:
            self._know(value, self._made(value))
        return self._copies[id(value)]

    def _know(self, value, made):
        self._copies[id(value)] = made
        self._originals.append(value)
        return made

    def _made(self, value):
        kind = type(value)
        if kind not in self._makers:
            self._makers[kind] = _maker(kind)
        return self._makers[kind](self, value)

    def _later(self, fill, original, made):
        """What holds others is filled later, since it may hold itself."""
        self._to_fill.append((fill, original, made))
        return made

    def _as_it_is(self, value):
        return value

    # Tensors

    def _tensor(self, value):
        if is_lazy(value):
            raise ValueError(
                "expected a model whose weights are there, but a lazy layer of it has not seen an image yet: run the model once"
            )
        if value.is_meta:
            raise ValueError(
                "expected a model whose weights are there, but some are on the meta device: load them first"
            )
        made, pairs = self._same_numbers(value)
        if type(value) is not Tensor and type(made) is not type(value):  # Parameter, and whatever inherits from it
            made = Tensor._make_subclass(type(value), made, False)
        pairs.append((value, made))
        return self._later(self._fill_tensor, value, made)

    def _same_numbers(self, value):
        """The tensor in the copy's memory: shared where parameters lie, its own elsewhere; views of one memory stay views of one.

        And the list that pairs such tensors with the originals.
        """
        memory = memory_of(value)
        if memory is None or type(value).__torch_dispatch__ is not Tensor.__torch_dispatch__:
            self.opaque = True  # sparse, quantised, or of a class that computes in its own way
            return (
                (value.detach(), self.aliases)
                if isinstance(value, nn.Parameter)
                else (value.detach().clone(), self.clones)
            )
        private = id(value) in self._private or memory in self._private_memory or value.is_inference()
        if not private and (isinstance(value, nn.Parameter) or memory in self._shared_memory):
            return value.detach(), self.aliases
        if memory not in self._memories:
            self._memories[memory] = whole = value.untyped_storage().clone()
            self.memories.append((_bytes(value.untyped_storage()), _bytes(whole)))
        with torch.inference_mode(False):  # autograd takes no tensor that was made in inference mode
            made = torch.empty(0, dtype=value.dtype, device=value.device)
            made.set_(self._memories[memory], value.storage_offset(), value.shape, value.stride())
        if value.is_conj() or value.is_neg():
            made = made.conj() if value.is_conj() else torch._neg_view(made)
        return made, self.clones

    def _fill_tensor(self, value, made):
        if vars(value):
            self.dicts.append((vars(value), vars(made)))
            vars(made).update({name: self._of(item) for name, item in vars(value).items()})

    def _generator(self, value):
        made = torch.Generator(value.device).set_state(value.get_state())
        self.generators.append((value, made))
        return made

    # Modules

    def _module(self, module):
        self.modules.add(id(module))
        if isinstance(module, torch.jit.ScriptModule):
            self.opaque = True
            return copy.deepcopy(module).eval()
        if _is_compiled(module):
            return self._later(self._fill_compiled, module, object.__new__(_Uncompiled))
        return self._later(self._fill_module, module, object.__new__(AFFINE.get(type(module), type(module))))

    def _fill_module(self, module, made):
        attributes = {name: value for name, value in vars(module).items() if name not in _LEFT_OUT}
        kind = type(module)
        if kind not in self._shared:
            self._shared[kind] = dict(_shared_by_class(kind))
        self._fill_attributes(module, {**self._shared[kind], **attributes}, made)
        self.dicts.append((vars(module), vars(made)))
        self._fill_slots(module, made)

    def _fill_compiled(self, module, made):
        self._fill_attributes(
            module, {name: value for name, value in vars(module).items() if name not in _COMPILER}, made
        )
        self.dicts.append((vars(module), vars(made)))

    def _fill_attributes(self, module, attributes, made):
        held = vars(made)  # past Module.__setattr__, which asks of every value what it is
        for name, value in attributes.items():
            if original := _uncompiled(value):
                held[name] = (
                    types.MethodType(original, made) if isinstance(original, types.FunctionType) else self._of(original)
                )
            elif name in _LISTENERS:
                held[name] = self._know(value, self._listeners(value))
            elif name in _OWN_TABLES:
                held[name] = self._know(value, type(value)() if name in _EMPTIED else value.copy())
            else:
                held[name] = self._of(value)
        if id(module) in self._registered:  # `eval` reaches no others
            held["training"] = False

    def _listeners(self, hooks):
        """Forward hooks. One that has nothing to do with the model stays the user's own, and what it collects goes to the user."""
        made = collections.OrderedDict()
        self.dicts.append((hooks, made))
        self._hooks.append((hooks, made))
        return made

    def _reaches(self, value, seen):
        """Whether something leads to what the model holds."""
        if type(value) in _QUICK or id(value) in seen:
            return False
        seen.add(id(value))
        return self._copies.get(id(value), value) is not value or any(self._reaches(one, seen) for one in _held(value))

    # Containers and objects

    def _dict(self, value):
        base = _base(value, collections.OrderedDict, dict)
        return self._later(self._fill_dict, value, base.__new__(type(value)))

    def _fill_dict(self, value, made):
        self.dicts.append((value, made))
        if isinstance(value, collections.defaultdict):
            made.default_factory = self._of(value.default_factory)
        base = _base(value, collections.OrderedDict, dict)
        for key, item in base.items(value):
            base.__setitem__(made, self._key(key), self._of(item))
        if type(value) is not base:
            self._fill_object(value, made)

    def _key(self, key):
        """Some keep things by the ids of modules."""
        return id(self._copies[key]) if type(key) is int and key in self.modules else self._of(key)

    def _list(self, value):
        base = _base(value, list, set, collections.deque)
        made = base.__new__(type(value))
        if base is collections.deque:
            base.__init__(made, (), value.maxlen)
        return self._later(self._fill_list, value, made)

    def _fill_list(self, value, made):
        self.lists.append((value, made))
        put(made, [self._of(item) for item in value])
        if _has_attributes(value):
            self._fill_object(value, made)

    def _tuple(self, value):
        made = _base(value, tuple, frozenset).__new__(type(value), map(self._of, value))
        return self._later(self._fill_object, value, made) if _has_attributes(value) else made

    def _object(self, value):
        return self._later(self._fill_object, value, object.__new__(type(value)))

    def _fill_object(self, value, made):
        if _has_attributes(value):
            self.dicts.append((vars(value), vars(made)))
            vars(made).update({name: self._of(item) for name, item in vars(value).items()})
        self._fill_slots(value, made)

    def _fill_slots(self, value, made):
        for slot in _slots(type(value)):
            try:
                item = slot.__get__(value)
            except AttributeError:  # never set
                continue
            self.opaque = True
            slot.__set__(made, self._of(item))

    def _array(self, value):
        self.opaque = True
        return value.copy()

    def _thread_local(self, value):
        """As this thread sees it."""
        self.opaque = True
        return self._later(self._fill_object, value, type(value)())

    def _foreign(self, value):
        """Neither of this module's kinds nor written in Python: as it says for pickling, or as it is where it says nothing."""
        self.opaque = True
        try:
            return copy.deepcopy(value, self._copies)
        except Exception:  # whatever the object of a stranger raises
            return _Unread(value) if isinstance(value, Iterator) and not isinstance(value, io.IOBase) else value

    # Functions

    def _function(self, function):
        if original := _uncompiled(function):
            return self._of(original)
        modules = {name: self._copies[id(module)] for name, module in _modules_named(function) if module in self}
        if not modules and not _holds_state(function, set()):
            return function
        named = {**function.__globals__, **modules} if modules else function.__globals__
        cells = function.__closure__ and tuple(map(self._of, function.__closure__))
        made = types.FunctionType(function.__code__, named, function.__name__, self._of(function.__defaults__), cells)
        made.__kwdefaults__, made.__qualname__ = self._of(function.__kwdefaults__), function.__qualname__
        return self._later(self._fill_object, function, made)

    def _cell(self, cell):
        return self._later(self._fill_cell, cell, types.CellType())

    def _fill_cell(self, cell, made):
        self.cells.append((cell, made))
        fill(made, self._of(contents(cell)))

    def _method(self, method):
        return types.MethodType(self._of(method.__func__), self._of(method.__self__))

    def _builtin(self, function):
        """Perhaps the method of something copied, as in `self.keep = self.features.append`."""
        owner = function.__self__
        return function if owner is None or isinstance(owner, _SAME) else getattr(self._of(owner), function.__name__)

    def _partial(self, value):
        keywords = {name: self._of(item) for name, item in value.keywords.items()}
        made = type(value)(self._of(value.func), *map(self._of, value.args), **keywords)
        return self._later(self._fill_object, value, made)

    def _reference(self, value):
        return value if value() is None else weakref.ref(self._of(value()))

    def _proxy(self, value):
        return weakref.proxy(self._of(value.__repr__.__self__))

    MAKERS = (
        (weakref.ProxyTypes, _proxy),
        (Tensor, _tensor),
        (nn.Module, _module),
        (dict, _dict),
        ((list, set, collections.deque), _list),
        (_SAME, _as_it_is),
        ((tuple, frozenset), _tuple),
        (types.FunctionType, _function),
        (types.MethodType, _method),
        (types.BuiltinFunctionType, _builtin),
        (types.CellType, _cell),
        (functools.partial, _partial),
        (weakref.ref, _reference),
        (np.ndarray, _array),
        (torch.Generator, _generator),
        (threading.local, _thread_local),
    )


def _maker(kind):
    made_by = next((make for kinds, make in Copier.MAKERS if issubclass(kind, kinds)), None)
    return made_by or (Copier._object if _is_plain(kind) else Copier._foreign)


class _Uncompiled(nn.Module):
    """Stands where torch.compile's module stood: the same name, the same hooks, and the module inside runs as it is."""

    def forward(self, *args, **kwargs):
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)


class _Unread:
    """Stands where a generator stood, which cannot be copied: what is taken from the model's would be gone."""

    def __init__(self, original):
        self._kind = type(original).__name__

    def __iter__(self):
        return self

    def __next__(self):
        raise TypeError(
            f"expected a model that can be copied, but its forward takes a value from a {self._kind}, which gives each but "
            "once: keep the values in a list, or count them with itertools.count"
        )

    def send(self, value):
        return next(self)


def put(container, items):
    """Make `items` all that a dictionary, list, set or deque holds, past what its class may do about it."""
    base = _base(container, collections.OrderedDict, dict, list, set, collections.deque)
    items = list(items)  # before they are gone
    base.clear(container)
    (base.extend if base in (list, collections.deque) else base.update)(container, items)


def contents(cell):
    """What a cell holds; the cell's own type where it is empty."""
    return types.CellType if cell == types.CellType() else cell.cell_contents


def fill(cell, value):
    if value is not types.CellType:
        cell.cell_contents = value
    elif cell != types.CellType():
        del cell.cell_contents


def memory_of(tensor) -> int | None:
    """Where a tensor's numbers lie; None for kinds that have no memory to tell of, such as sparse ones."""
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError, ValueError):
        return None


def _bytes(storage):
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)


def _base(value, *kinds):
    return next(kind for kind in kinds if isinstance(value, kind))


def _is_plain(kind):
    """Whether a class keeps its instances' state where Python shows it: in attributes and slots, and nowhere else."""
    if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
        return False
    try:
        object.__new__(kind)
    except TypeError:  # a class of another layout: written in C, or made of one that is
        return False
    return all(one is object or "__module__" in vars(one) for one in kind.__mro__)


def _is_compiled(module):
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def _uncompiled(value):
    """What torch.compile was given to make this function of, or None."""
    return vars(value).get(_ORIGINAL) if type(value) is types.FunctionType else None


def _shared_by_class(kind):
    """What all instances of a class share and a forward may change, or torch.compile has changed: name, value."""
    for one in kind.__mro__:
        if one.__module__.startswith("torch."):
            continue
        for name, value in vars(one).items():
            if (
                not name.startswith("__") and (type(value) in (list, dict, set) or isinstance(value, Tensor))
            ) or _uncompiled(value):
                yield name, value


def _has_attributes(value):
    """As its class has it: an object that stands for another answers for that one when it is asked itself."""
    return type(value).__dictoffset__ != 0 or isinstance(value, threading.local)


def _slots(kind):
    """The descriptors of a class's slots."""
    declared = (one for one in kind.__mro__ if "__slots__" in vars(one))
    return [value for one in declared for value in vars(one).values() if type(value) is types.MemberDescriptorType]


def _holds_state(function, seen):
    """Whether a function carries anything with it that could change: in its closure, its defaults or its attributes."""
    seen.add(function)
    cells = (contents(cell) for cell in function.__closure__ or ())
    carried = (
        *cells,
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).values(),
        *vars(function).values(),
    )
    return any(
        value not in seen and _holds_state(value, seen)
        if type(value) is types.FunctionType
        else not isinstance(value, _SAME)
        for value in carried
    )


def _held(value):
    """What something leads to, as far as this module copies it."""
    if isinstance(value, weakref.ref):
        return [value()]
    if isinstance(value, (Tensor, nn.Module, *_SAME)):
        return []
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, (list, set, tuple, frozenset, collections.deque)):
        return value
    if type(value) is types.FunctionType:
        cells = map(contents, value.__closure__ or ())
        named = (module for _, module in _modules_named(value))
        return [
            *cells,
            *named,
            *(value.__defaults__ or ()),
            *(value.__kwdefaults__ or {}).values(),
            *vars(value).values(),
        ]
    if type(value) is types.MethodType:
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    return [*vars(value).values()] if _is_plain(type(value)) and _has_attributes(value) else []


def _modules_named(function):
    """The modules among a function's globals that its code names: name, module."""
    known, codes = function.__globals__, [function.__code__]
    while codes:
        code = codes.pop()
        codes += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
        yield from ((name, known[name]) for name in code.co_names if isinstance(known.get(name), nn.Module))
