"""Networks and uses that engineers bring, a family a file. `CASES` is the table; tests/unit/gradcam/test_nets.py asks for each."""

from . import (  # noqa: F401
    aliases,
    architectures,
    batches,
    classes,
    dice,
    gradients,
    holders,
    hooks,
    memories,
    relations,
    runs,
    sequences,
    shapes,
    weights,
    wrapped,
)
from .case import CASES

__all__ = ["CASES"]
