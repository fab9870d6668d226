"""Snapshot of a model's observable state, and the comparison of two snapshots."""

import functools
import random
import types
import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor, nn

HOOKS = tuple(
    name for name in vars(nn.Module()) if name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called"))
)
GLOBAL_HOOKS = tuple(name for name in vars(nn.modules.module) if name.startswith("_global_") and name.endswith("hooks"))
CONTAINERS = (list, tuple, set, frozenset, deque)


def snapshot(model: nn.Module) -> dict[str, object]:
    """Path → value: parameters, buffers, modes, hooks, attributes and their contents, and torch's settings."""
    state: dict[str, object] = {}
    _record(model, "model", state, {})
    for name in GLOBAL_HOOKS:
        state[f"torch {name}"] = [id(hook) for hook in getattr(nn.modules.module, name).values()]
    state["random state"] = torch.get_rng_state()
    numpy_state = np.random.get_state()  # noqa: NPY002 (models may use the legacy global generator)
    state["numpy's random state"] = [part.tobytes() if isinstance(part, np.ndarray) else part for part in numpy_state]
    state["Python's random state"] = random.getstate()
    state["settings"] = (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
    )
    return state


def differences(before: dict, after: dict) -> list[str]:
    """What was added, removed or changed, in words."""
    added = [f"{path} added" for path in after.keys() - before.keys()]
    removed = [f"{path} removed" for path in before.keys() - after.keys()]
    kept = before.keys() & after.keys()
    changed = [f"{path} changed" for path in kept if not _same(before[path], after[path])]
    return sorted(added + removed + changed)


def _same(one, other):
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    return type(one) is type(other) and one == other


def _record(value, path, state, seen):
    """Record `value` and every object that is reachable from it, once each."""
    if isinstance(value, (weakref.ref, weakref.ProxyType, weakref.CallableProxyType)):
        return
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device)):
        state[path] = value
    elif id(value) in seen:
        state[path] = f"the {seen[id(value)]}"
    elif isinstance(value, torch.Generator):
        state[path] = value.get_state()
    elif isinstance(value, Tensor):
        seen[id(value)] = path
        _record_tensor(value, path, state)
    else:
        seen[id(value)] = path
        state[path] = (type(value).__name__, id(value))
        for name, part in _parts(value):
            _record(part, f"{path}{name}", state, seen)


def _record_tensor(tensor, path, state):
    state[path] = (id(tensor), tensor.requires_grad, tensor.dtype, tensor.device.type)
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin) or tensor.is_meta:
        return
    state[f"{path} values"] = (tensor.to_dense() if tensor.layout is not torch.strided else tensor).detach().clone()
    if tensor.is_leaf:
        state[f"{path} .grad"] = None if tensor.grad is None else tensor.grad.clone()
        state[f"{path} tensor hooks"] = list(tensor._backward_hooks or ())


def _parts(value):
    """(name, value) of each object that `value` refers to."""
    if isinstance(value, nn.Module):
        return _parts_of_module(value)
    if isinstance(value, dict):
        return [
            (f"[{key!r}]" if isinstance(key, str) else f"[{index}]", item)
            for index, (key, item) in enumerate(value.items())
        ]
    if isinstance(value, CONTAINERS):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    if isinstance(value, functools.partial):
        return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    if isinstance(value, types.MethodType):
        return [(".__self__", value.__self__)]
    if isinstance(value, types.FunctionType):
        return [
            (f".<{name}>", cell.cell_contents)
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ())
            if _has_contents(cell)
        ]
    if isinstance(value, (type, types.ModuleType)) or type(value).__module__.startswith(
        ("torch", "transformers", "accelerate", "builtins")
    ):
        return []
    return _attributes(value)


def _parts_of_module(module):
    """A module's attributes. Of its hook tables only the entries: what a hook refers to belongs to its owner."""
    if isinstance(module, torch.jit.ScriptModule):  # torch fills its attributes lazily, on access
        return [(f".{name}", tensor) for name, tensor in module.state_dict(keep_vars=True).items()] + [
            (".training", module.training)
        ]
    hooks = [(f".{name}", str([(key, id(hook)) for key, hook in vars(module).get(name, {}).items()])) for name in HOOKS]
    return hooks + [(name, item) for name, item in _attributes(module) if name[1:] not in HOOKS]


def _attributes(value):
    slots = [
        name
        for kind in type(value).__mro__
        for name in _as_tuple(vars(kind).get("__slots__", ()))
        if hasattr(value, name)
    ]
    own = {name: getattr(value, name) for name in slots if name not in ("__dict__", "__weakref__")} | getattr(
        value, "__dict__", {}
    )
    return [(f".{name}", item) for name, item in own.items()]


def _as_tuple(slots):
    return (slots,) if isinstance(slots, str) else slots


def _has_contents(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
