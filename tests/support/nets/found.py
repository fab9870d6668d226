"""Everything about a model that somebody could notice to have changed: written down, and compared."""

import functools
import random
import types
import weakref
from collections import deque

import numpy
import torch
from torch import Tensor, nn

HOOKS = tuple(
    name for name in vars(nn.Module()) if name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called"))
)
GLOBAL_HOOKS = tuple(name for name in vars(nn.modules.module) if name.startswith("_global_") and name.endswith("hooks"))
HELD = (list, tuple, set, frozenset, deque)


def written_down(model: nn.Module) -> dict[str, object]:
    """Path → what is there: parameters, buffers, modes, hooks, attributes, what they hold, and torch's settings."""
    told: dict[str, object] = {}
    _tell(model, "model", told, {})
    for name in GLOBAL_HOOKS:
        told[f"torch {name}"] = [id(hook) for hook in getattr(nn.modules.module, name).values()]
    told["random state"] = torch.get_rng_state()
    told["numpy's random state"] = [
        part.tobytes() if isinstance(part, numpy.ndarray) else part for part in numpy.random.get_state()
    ]
    told["Python's random state"] = random.getstate()
    told["settings"] = (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
    )
    return told


def differences(before: dict, after: dict) -> list[str]:
    """In words: what came, what went, what is another or has another value."""
    came = [f"{path} came" for path in after.keys() - before.keys()]
    went = [f"{path} went" for path in before.keys() - after.keys()]
    return sorted(
        came
        + went
        + [f"{path} changed" for path in before.keys() & after.keys() if not _same(before[path], after[path])]
    )


def _same(one, other):
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    return type(one) is type(other) and one == other


def _tell(value, path, told, seen):
    """Write down `value` and what can be reached from it, each thing once."""
    if isinstance(value, (weakref.ref, weakref.ProxyType, weakref.CallableProxyType)):
        return
    if value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device)):
        told[path] = value
    elif id(value) in seen:
        told[path] = f"the {seen[id(value)]}"
    elif isinstance(value, torch.Generator):
        told[path] = value.get_state()
    elif isinstance(value, Tensor):
        seen[id(value)] = path
        _tell_tensor(value, path, told)
    else:
        seen[id(value)] = path
        told[path] = (type(value).__name__, id(value))
        for name, part in _parts(value):
            _tell(part, f"{path}{name}", told, seen)


def _tell_tensor(tensor, path, told):
    told[path] = (id(tensor), tensor.requires_grad, tensor.dtype, tensor.device.type)
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin) or tensor.is_meta:
        return
    told[f"{path} values"] = (tensor.to_dense() if tensor.layout is not torch.strided else tensor).detach().clone()
    if tensor.is_leaf:
        told[f"{path} .grad"] = None if tensor.grad is None else tensor.grad.clone()
        told[f"{path} tensor hooks"] = list(tensor._backward_hooks or ())


def _parts(value):
    """Names and things that a value holds."""
    if isinstance(value, nn.Module):
        return _parts_of_module(value)
    if isinstance(value, dict):
        return [
            (f"[{key!r}]" if isinstance(key, str) else f"[{place}]", item)
            for place, (key, item) in enumerate(value.items())
        ]
    if isinstance(value, HELD):
        return [(f"[{place}]", item) for place, item in enumerate(value)]
    if isinstance(value, functools.partial):
        return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    if isinstance(value, types.MethodType):
        return [(".__self__", value.__self__)]
    if isinstance(value, types.FunctionType):
        return [
            (f".<{name}>", cell.cell_contents)
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ())
            if _filled(cell)
        ]
    if isinstance(value, (type, types.ModuleType)) or type(value).__module__.startswith(
        ("torch", "transformers", "accelerate", "builtins")
    ):
        return []
    return _attributes(value)


def _parts_of_module(module):
    """A module's attributes; of its tables of hooks what is in them, not what the hooks hold: that is their owner's."""
    if isinstance(module, torch.jit.ScriptModule):  # its attributes are torch's own, filled as they are asked for
        return [(f".{name}", tensor) for name, tensor in module.state_dict(keep_vars=True).items()] + [
            (".training", module.training)
        ]
    hooks = [(f".{name}", str([(key, id(hook)) for key, hook in vars(module).get(name, {}).items()])) for name in HOOKS]
    return hooks + [(name, item) for name, item in _attributes(module) if name[1:] not in HOOKS]


def _attributes(value):
    slots = [
        name for kind in type(value).__mro__ for name in _names(vars(kind).get("__slots__", ())) if hasattr(value, name)
    ]
    own = {name: getattr(value, name) for name in slots if name not in ("__dict__", "__weakref__")} | getattr(
        value, "__dict__", {}
    )
    return [(f".{name}", item) for name, item in own.items()]


def _names(slots):
    return (slots,) if isinstance(slots, str) else slots


def _filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
