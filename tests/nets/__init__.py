"""Networks and uses that engineers bring, a family a file. `CASES` is the table; tests/test_nets.py asks for each."""

from . import architectures, holders, memories, wrapped  # noqa: F401
from .case import CASES

__all__ = ["CASES"]
