"""Networks and uses that engineers bring, a family a file. `CASES` is the table; tests/test_nets.py asks for each."""

from . import aliases, architectures, batches, dice, gradients, holders, hooks, memories, runs, sequences, shapes, weights, wrapped  # noqa: F401
from .case import CASES

__all__ = ["CASES"]
