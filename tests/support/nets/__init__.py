"""Networks, and uses of them, that engineers bring: one module per family.

`CASES` is the table; tests/unit/gradcam/test_nets.py runs every case.
"""

from . import (  # noqa: F401 (imported for the cases that they register)
    aliases,
    architectures,
    batches,
    cross_references,
    custom_classes,
    gradients,
    hidden_modules,
    hooks,
    input_formats,
    layer_calls,
    random_draws,
    sequences,
    stateful,
    transformed,
    weights,
)
from .case import CASES

__all__ = ["CASES"]
