"""Which tensors a repository's weights hold: the headers of its safetensors files, read without the tensors.

The format: 8 bytes with the header's length, the header as JSON (name → type, shape, offsets), then the tensors. The
library checks that the offsets follow each other without gaps, fit type and shape, and end where the file ends.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .policy import Unusable

Shapes = dict[str, tuple[int, ...]]
_TYPES = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}  # others are those of quantised weights
MOST_TENSORS = 20_000


def shapes(paths: list[Path]) -> Shapes:
    """The name and shape of each tensor of several files. Raises Unusable where a header is wrong."""
    found: Shapes = {}
    for path in paths:
        for name, shape in _shapes(path).items():
            if name in found:
                raise Unusable(f"two files of its weights hold {name[:80]}")
            found[name] = shape
    if not found:
        raise Unusable("its weights hold no tensors")
    if len(found) > MOST_TENSORS:
        raise Unusable(f"its weights hold {len(found)} tensors, and at most {MOST_TENSORS} are loaded")
    return found


def elements(found: Shapes) -> int:
    """How many numbers there are in all."""
    return sum(math.prod(shape) for shape in found.values())


def stand_ins(found: Shapes) -> dict[str, Tensor]:
    """A tensor of each name and shape that takes no memory: one zero, repeated by strides of 0."""
    return {name: torch.zeros(()).expand(shape) for name, shape in found.items()}


def differences(expected: Shapes, found: Shapes) -> str:
    """A clause on the first tensor of the network that the files lack or hold in another shape, "" if there is none."""
    for name, shape in expected.items():
        if name not in found:
            return f"its weights lack {name[:80]}"
        if found[name] != shape:
            return f"its weights hold {name[:80]} {_side(found[name])}, and the network needs {_side(shape)}"
    return ""


def _shapes(path: Path) -> Shapes:
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (the file is no dict)
            kinds = {name: part.get_dtype() for name, part in slices.items()}
            found = {name: tuple(part.get_shape()) for name, part in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise Unusable(f"{path.name} is damaged, or no safetensors file") from error
    if unknown := next((kind for kind in kinds.values() if kind not in _TYPES), None):
        raise Unusable(f"its weights are numbers of type {unknown}, which are not read here")
    return found


def _side(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "as one number"
