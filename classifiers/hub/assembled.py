"""What a kind of repository becomes: a network that has answered, how it wants its photo, what its outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from torch import nn

from ..preprocessing import Preprocessing
from .headers import Shapes


class Assembled(NamedTuple):
    network: nn.Module  # in eval mode on the CPU, in float32, without gradients
    preprocessing: Preprocessing
    classes: tuple[str, ...]


class Kind(Protocol):
    """A library's repositories. Both functions raise Unusable."""

    @property
    def files(self) -> tuple[str, ...]:
        """Needed besides config.json and the weights."""
        ...

    def check(self, config: dict) -> None:
        """Whether config.json describes an image classifier of this library, which must be installed."""
        ...

    def assemble(self, folder: Path, config: dict, weights: list[Path], found: Shapes) -> Assembled:
        """Build, compare with the tensors `found` in the headers of `weights`, and only then load."""
        ...
