"""Copies of containers, objects, functions and references."""

import collections
import copy
import io
import types
import weakref
from collections.abc import Iterator

from .copy_session import CopySession
from .python_objects import (
    IMMUTABLE,
    base_type,
    cell_contents,
    has_attributes,
    holds_mutable_state,
    modules_named_by,
    replace_items,
    set_cell_contents,
    slots_of,
)

COMPILED_FROM = "_torchdynamo_orig_callable"  # the attribute in which torch.compile keeps the function it was given


def copy_nothing(session: CopySession, value):
    """Immutable objects stay the same."""
    return value


# Containers


def copy_dict(session: CopySession, value):
    base = base_type(value, collections.OrderedDict, dict)
    return session.fill_later(_fill_dict, value, base.__new__(type(value)))


def _fill_dict(session, value, copied):
    session.dicts.append((value, copied))
    if isinstance(value, collections.defaultdict):
        copied.default_factory = session.copy_of(value.default_factory)
    base = base_type(value, collections.OrderedDict, dict)
    for key, item in base.items(value):
        base.__setitem__(copied, _copied_key(session, key), session.copy_of(item))
    if type(value) is not base:
        fill_object(session, value, copied)


def _copied_key(session, key):
    """Some dictionaries have the ids of modules as keys."""
    return id(session[key]) if type(key) is int and key in session.modules else session.copy_of(key)


def copy_list(session: CopySession, value):
    base = base_type(value, list, set, collections.deque)
    copied = base.__new__(type(value))
    if base is collections.deque:
        base.__init__(copied, (), value.maxlen)
    return session.fill_later(_fill_list, value, copied)


def _fill_list(session, value, copied):
    session.lists.append((value, copied))
    replace_items(copied, [session.copy_of(item) for item in value])
    if has_attributes(value):
        fill_object(session, value, copied)


def copy_tuple(session: CopySession, value):
    copied = base_type(value, tuple, frozenset).__new__(type(value), map(session.copy_of, value))
    return session.fill_later(fill_object, value, copied) if has_attributes(value) else copied


# Objects


def copy_object(session: CopySession, value):
    return session.fill_later(fill_object, value, object.__new__(type(value)))


def fill_object(session: CopySession, value, copied):
    if has_attributes(value):
        session.dicts.append((vars(value), vars(copied)))
        vars(copied).update({name: session.copy_of(item) for name, item in vars(value).items()})
    fill_slots(session, value, copied)


def fill_slots(session: CopySession, value, copied):
    for slot in slots_of(type(value)):
        try:
            item = slot.__get__(value)
        except AttributeError:  # never set
            continue
        session.opaque = True
        slot.__set__(copied, session.copy_of(item))


def copy_array(session: CopySession, value):
    session.opaque = True
    return value.copy()


def copy_thread_local(session: CopySession, value):
    """With the attributes that this thread sees."""
    session.opaque = True
    return session.fill_later(fill_object, value, type(value)())


def copy_foreign(session: CopySession, value):
    """An object of a class written in C: by its pickling methods, or the same object where it has none."""
    session.opaque = True
    try:
        return copy.deepcopy(value, session.memo)
    except Exception:  # a foreign class may raise anything
        is_generator = isinstance(value, Iterator) and not isinstance(value, io.IOBase)
        return _UncopiedIterator(value) if is_generator else value


class _UncopiedIterator:
    """In place of a generator, which cannot be copied: values taken from the model's would be gone."""

    def __init__(self, original):
        self._kind = type(original).__name__

    def __iter__(self):
        return self

    def __next__(self):
        raise TypeError(
            f"expected a model that can be copied, but its forward takes a value from a {self._kind}, which gives "
            "each but once: keep the values in a list, or count them with itertools.count"
        )

    def send(self, value):
        return next(self)


# Functions and references


def uncompiled(value):
    """The function that torch.compile made this one of, or None."""
    return vars(value).get(COMPILED_FROM) if type(value) is types.FunctionType else None


def copy_function(session: CopySession, function):
    if original := uncompiled(function):
        return session.copy_of(original)
    modules = {name: session[id(module)] for name, module in modules_named_by(function) if module in session}
    if not modules and not holds_mutable_state(function, set()):
        return function
    globals_ = {**function.__globals__, **modules} if modules else function.__globals__
    cells = function.__closure__ and tuple(map(session.copy_of, function.__closure__))
    defaults = session.copy_of(function.__defaults__)
    copied = types.FunctionType(function.__code__, globals_, function.__name__, defaults, cells)
    copied.__kwdefaults__, copied.__qualname__ = session.copy_of(function.__kwdefaults__), function.__qualname__
    return session.fill_later(fill_object, function, copied)


def copy_cell(session: CopySession, cell):
    return session.fill_later(_fill_cell, cell, types.CellType())


def _fill_cell(session, cell, copied):
    session.cells.append((cell, copied))
    set_cell_contents(copied, session.copy_of(cell_contents(cell)))


def copy_method(session: CopySession, method):
    return types.MethodType(session.copy_of(method.__func__), session.copy_of(method.__self__))


def copy_builtin(session: CopySession, function):
    """Perhaps the method of something copied, as in `self.keep = self.features.append`."""
    owner = function.__self__
    if owner is None or isinstance(owner, IMMUTABLE):
        return function
    return getattr(session.copy_of(owner), function.__name__)


def copy_partial(session: CopySession, value):
    keywords = {name: session.copy_of(item) for name, item in value.keywords.items()}
    copied = type(value)(session.copy_of(value.func), *map(session.copy_of, value.args), **keywords)
    return session.fill_later(fill_object, value, copied)


def copy_reference(session: CopySession, reference):
    return reference if reference() is None else weakref.ref(session.copy_of(reference()))


def copy_proxy(session: CopySession, proxy):
    return weakref.proxy(session.copy_of(proxy.__repr__.__self__))
