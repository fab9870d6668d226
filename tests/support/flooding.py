"""The parts of a mask, found by walking from pixel to pixel."""

import numpy as np


def largest_by_flooding(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) of the part of most pixels of [H, W], the first from the top, then from the left.

    Pixels that touch at a corner are of one part. None where there is none.
    """
    left_over, parts = {tuple(place) for place in np.argwhere(mask)}, []
    while left_over:
        part, edge = set(), [left_over.pop()]
        while edge:
            row, column = edge.pop()
            part.add((row, column))
            around = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left_over
            left_over -= around
            edge += around
        rows, columns = zip(*part)
        parts.append((-len(part), min(rows), min(columns), max(columns) + 1, max(rows) + 1))
    return next(((left, top, right, bottom) for _, top, left, right, bottom in sorted(parts)), None)
