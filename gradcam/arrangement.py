"""How a layer's output holds its maps: as maps, with the channels last, or as tokens; and the way back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

MOST_PREFIXES = 8  # class, distillation and register tokens before the first patch


@dataclass(frozen=True)
class Arrangement:
    """The order in which a layer's output holds a grid of h × w places with C channels each.

    "maps" is [B, C, h, w], "channels last" [B, h, w, C]. "tokens" is [B, prefix + h·w, C], the places row by row behind
    the class token and whatever else has no place.
    """

    kind: Literal["maps", "channels last", "tokens"]
    grid: tuple[int, int]  # h, w
    prefix: int = 0  # tokens before the first place

    def as_maps(self, output: Tensor) -> Tensor:
        """[B, C, h, w] of what the layer put out.

        Raises ValueError for another number of tokens, as images of another size have.
        """
        if self.kind == "maps":
            return output
        if self.kind == "channels last":
            return output.movedim(-1, 1)
        height, width = self.grid
        if output.shape[1] != self.prefix + height * width:
            raise ValueError(
                f"expected {self.prefix} + {height} × {width} tokens, got {output.shape[1]}: "
                "suggest the layers for images of this size"
            )
        return output[:, self.prefix :].mT.unflatten(2, self.grid)

    def put_back(self, maps: Tensor, output: Tensor) -> Tensor:
        """What the layer would put out with these maps [n, C, h, w]; tokens without a place as in `output`, [n, …]."""
        if self.kind == "maps":
            return maps
        if self.kind == "channels last":
            return maps.movedim(1, -1)
        return torch.cat([output[:, : self.prefix], maps.flatten(2).mT.to(output.dtype)], 1)


def arrangement_of(shape: tuple[int, ...], grids: Iterable[tuple[int, int]]) -> Arrangement | None:
    """The arrangement of an output of this shape over one of the known grids; None where none fits.

    Grids are given likeliest first. Of the grids that leave up to eight tokens over, the one that leaves the fewest.
    """
    grids = list(grids)
    if len(shape) == 4:
        if shape[2:] in grids:
            return Arrangement("maps", (shape[2], shape[3]))
        return Arrangement("channels last", (shape[1], shape[2])) if shape[1:3] in grids else None
    if len(shape) != 3:
        return None
    left_over = {grid: shape[1] - grid[0] * grid[1] for grid in grids}
    fitting = [grid for grid in grids if 0 <= left_over[grid] <= min(MOST_PREFIXES, grid[0] * grid[1])]
    if not fitting:
        return None
    grid = min(fitting, key=lambda grid: left_over[grid])
    return Arrangement("tokens", grid, left_over[grid])


def in_proportion(grid: tuple[int, int], image) -> bool:
    """Whether a grid has the proportions of an image (H, W), up to the rounding of strides."""
    (rows, columns), (height, width) = grid, image
    return abs(rows * width - columns * height) <= max(height, width)
