"""Limits on a network that a stranger's configuration describes: its modules, its numbers, the memory of one photo.

A network is first built on the meta device, where tensors have a shape and no memory, so these cost next to nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from .headers import Shapes, elements
from .policy import Unusable, first_clause, gigabytes

MOST_MODULES = 10_000  # HRNet-W64 has 1500, the deepest EfficientNets 2500
# numbers that no file holds, such as positions of windows; BEiT-L at 512 pixels has 25 million
MOST_BUFFERED = 5 * 10**7
FORWARD_BYTES = 2 * 10**9  # of the largest tensor of one photo; ViT-L with 4096 tokens makes one of 1 GB
SLACK = 1.05  # of a library that splits or merges tensors as it loads them


@contextmanager
def few_modules(most: int = MOST_MODULES) -> Iterator[None]:
    """Networks built by this thread may have that many modules; Unusable is raised where they have more."""
    builder, count = threading.get_ident(), 0

    def note(*_: object) -> None:
        nonlocal count
        if threading.get_ident() == builder:
            count += 1
            if count > most:
                raise Unusable(f"its configuration describes a network of more than {most} modules")

    handle = register_module_module_registration_hook(note)
    try:
        yield
    finally:
        handle.remove()


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` builds, in eval mode and without memory. Raises Unusable where nothing can be built."""
    try:
        with few_modules(), torch.device("meta"), torch.random.fork_rng(devices=[]):
            return build().eval()
    except Unusable:
        raise
    except Exception as error:  # a library's, of any kind: what it makes of a wrong configuration is not ours to list
        raise Unusable(f"no network can be built from its configuration ({first_clause(error)})") from error


def check_numbers(network: nn.Module, found: Shapes) -> None:
    """Raises Unusable where a network has more numbers than its files: it would take memory that nobody announced."""
    needed = sum(parameter.numel() for parameter in network.parameters())
    held = elements(found)
    if needed > SLACK * held:
        raise Unusable(f"its configuration describes a network of {needed} numbers, and its weights hold {held}")
    if sum(buffer.numel() for buffer in network.buffers()) > SLACK * held + MOST_BUFFERED:
        raise Unusable("its configuration describes a network whose tables are larger than its weights")


def check_answer(network: nn.Module, grey: Tensor, classes: int) -> None:
    """One photo, to see that the network answers within bounds. Raises Unusable. grey: [1, 3, h, w].

    Neither on the meta device nor in inference mode: libraries keep tables of positions from one call to the next, and
    those made there could not be used afterwards, or not for gradients.
    """
    try:
        with torch.no_grad(), _Measured():
            outputs = network(grey)
    except Unusable:
        raise
    except Exception as error:  # a library's, of any kind
        raise Unusable(f"its network cannot be asked about a photo ({first_clause(error)})") from error
    logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    if not isinstance(logits, Tensor) or logits.shape != (1, classes):
        shape = list(logits.shape) if isinstance(logits, Tensor) else type(outputs).__name__
        raise Unusable(f"expected logits of {classes} classes for a photo, and its network answers with {shape}")
    if not logits.isfinite().all():
        raise Unusable("its network answers a grey photo with numbers that are not finite")


class _Measured(TorchDispatchMode):
    """Raises Unusable before the first operation whose result would have more than FORWARD_BYTES."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for result in tree_leaves(_on_meta(function, args, kwargs)):
            if isinstance(result, Tensor) and result.numel() * result.element_size() > FORWARD_BYTES:
                raise Unusable(f"one photo would need more than {gigabytes(FORWARD_BYTES)} of memory")
        return function(*args, **kwargs)


def _on_meta(function: Callable, args: tuple, kwargs: dict) -> object:
    """An operation's results without their values, or None where they depend on values."""

    def shape_of(value: object) -> object:
        if isinstance(value, Tensor):
            return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
        return torch.device("meta") if isinstance(value, torch.device) else value

    args, kwargs = tree_map(shape_of, (args, kwargs))
    try:
        return function(*args, **kwargs)
    except Exception:  # no such operation there, or one that looks at values
        return None
