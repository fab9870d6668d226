"""Copies of nn.Modules: in eval mode, with forward hooks, without backward hooks, and as before torch.compile."""

import collections
import copy
import sys
import types

import torch
from torch import Tensor, nn

from .batch_norm import AFFINE
from .copy_session import CopySession
from .object_copies import COMPILED_FROM, fill_slots, uncompiled

_FORWARD_HOOKS = frozenset({"_forward_hooks", "_forward_pre_hooks"})
_BOOKKEEPING = frozenset(
    name
    for name, value in vars(nn.Module()).items()
    if name not in ("_parameters", "_buffers", "_modules") and isinstance(value, (dict, set))
)  # torch's own tables: flags of hooks, and hooks that a forward pass does not run
_EMPTIED = frozenset({"_backward_hooks", "_backward_pre_hooks"})  # the user's, for the user's own backward passes
_LEFT_OUT = frozenset({"_compiled_call_impl"})  # torch.compile's: without it a module runs its forward
_COMPILER = frozenset({"dynamo_ctx", "forward", "get_compiler_config", COMPILED_FROM})  # of a compiled module


def copy_module(session: CopySession, module):
    session.modules.add(id(module))
    if isinstance(module, torch.jit.ScriptModule):
        session.opaque = True
        return copy.deepcopy(module).eval()
    if _is_compiled(module):
        return session.fill_later(_fill_compiled, module, object.__new__(_Uncompiled))
    return session.fill_later(_fill_module, module, object.__new__(AFFINE.get(type(module), type(module))))


def _fill_module(session, module, copied):
    attributes = {name: value for name, value in vars(module).items() if name not in _LEFT_OUT}
    kind = type(module)
    if kind not in session.class_attributes:
        session.class_attributes[kind] = dict(_mutable_class_attributes(kind))
    _fill_attributes(session, module, {**session.class_attributes[kind], **attributes}, copied)
    session.dicts.append((vars(module), vars(copied)))
    fill_slots(session, module, copied)


def _fill_compiled(session, module, copied):
    attributes = {name: value for name, value in vars(module).items() if name not in _COMPILER}
    _fill_attributes(session, module, attributes, copied)
    session.dicts.append((vars(module), vars(copied)))


def _fill_attributes(session, module, attributes, copied):
    held = vars(copied)  # bypasses Module.__setattr__, which checks the type of every value
    for name, value in attributes.items():
        if original := uncompiled(value):
            is_function = isinstance(original, types.FunctionType)
            held[name] = types.MethodType(original, copied) if is_function else session.copy_of(original)
        elif name in _FORWARD_HOOKS:
            held[name] = session.register(value, _forward_hooks(session, value))
        elif name in _BOOKKEEPING:
            held[name] = session.register(value, type(value)() if name in _EMPTIED else value.copy())
        else:
            held[name] = session.copy_of(value)
    if id(module) in session.registered:  # `eval` reaches no others
        held["training"] = False


def _forward_hooks(session, hooks):
    """Still empty: `fill_forward_hooks` fills them when all else is copied."""
    copied = collections.OrderedDict()
    session.dicts.append((hooks, copied))
    session.forward_hooks.append((hooks, copied))
    return copied


def fill_forward_hooks(session: CopySession):
    """A hook that refers to nothing of the model stays the user's own, and what it collects goes to the user."""
    for hooks, copied in session.forward_hooks:
        for key, hook in hooks.items():
            copied[key] = session.copy_of(hook) if session.leads_to_copied(hook, set()) else hook
        session.fill_all()


class _Uncompiled(nn.Module):
    """In place of torch.compile's module: the same name, the same hooks, and the module inside runs uncompiled."""

    _orig_mod: nn.Module

    def forward(self, *args, **kwargs):
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)


def _is_compiled(module):
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def _mutable_class_attributes(kind):
    """What all instances of a class share and a forward may change, or torch.compile has changed: name, value."""
    for one in kind.__mro__:
        if one.__module__.startswith("torch."):
            continue
        for name, value in vars(one).items():
            mutable = type(value) in (list, dict, set) or isinstance(value, Tensor)
            if (mutable and not name.startswith("__")) or uncompiled(value):
                yield name, value
