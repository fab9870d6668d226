"""The columns of part-*.parquet, and the rows of a photo: what each heatmap says in figures, and the map itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from classifiers import Frame
from gradcam import regions
from gradcam.heatmaps import state_of

from .maps import packed

if TYPE_CHECKING:
    import pyarrow as pa

BOX_RULE = "15 %"  # of the peak, Grad-CAM's share for localisation (Selvaraju et al. 2017, sec. 4.1)


@dataclass(frozen=True)
class Row:
    """One photo × target × layer, or one photo with the error that left it without. The table is in docs/batch.md."""

    photo: int
    path: str
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    notes: str = ""
    model: str = ""
    revision: str = ""
    method: str = ""
    truth: str | None = None
    predicted: str | None = None
    target: str | None = None
    rank: int | None = None
    layer: str | None = None
    logit: float | None = None
    probability: float | None = None
    state: str | None = None
    peak: float | None = None
    share: float | None = None
    centroid_x: float | None = None
    centroid_y: float | None = None
    box_left: float | None = None
    box_top: float | None = None
    box_right: float | None = None
    box_bottom: float | None = None
    seen_left: float | None = None
    seen_top: float | None = None
    seen_right: float | None = None
    seen_bottom: float | None = None
    input_h: int | None = None
    input_w: int | None = None
    grid_h: int | None = None
    grid_w: int | None = None
    heat: bytes | None = None
    heat_scale: float | None = None
    overlay: str | None = None
    error: str | None = None
    versions: str = ""


COLUMNS = tuple(Row.__dataclass_fields__)
REPEATED = (
    *("model", "revision", "method", "truth", "predicted", "target", "layer"),
    *("state", "notes", "error", "versions"),
)


def schema() -> pa.Schema:
    """Plain columns, no nested or extension types."""
    import pyarrow as pa

    kinds = {"int": pa.int32(), "float": pa.float32(), "str": pa.string(), "bytes": pa.binary()}
    annotations = {name: str(field.type).split(" ")[0] for name, field in Row.__dataclass_fields__.items()}
    fields = [pa.field(name, kinds[kind]) for name, kind in annotations.items()]
    fields[0] = pa.field("photo", pa.int64(), nullable=False)
    return pa.schema(fields)


def table_of(rows: list[Row]) -> pa.Table:
    """Rows as a table."""
    import pyarrow as pa

    return pa.table({name: [getattr(row, name) for row in rows] for name in COLUMNS}, schema=schema())


class Place(NamedTuple):
    """Where a photo and a network's input lie in each other."""

    seen: tuple[float, float, float, float]  # the input, in the photo: 0…1 from edge to edge
    inner: tuple[slice, slice]  # the photo, in the input's pixels


def place_of(frame: Frame) -> Place:
    """From a frame, whose canvas holds both."""
    seen, photo = frame.seen, frame.photo
    wide, tall = photo.right - photo.left, photo.bottom - photo.top
    in_photo = (
        *((seen.left - photo.left) / wide, (seen.top - photo.top) / tall),
        *((seen.right - photo.left) / wide, (seen.bottom - photo.top) / tall),
    )
    rows = slice(max(photo.top - seen.top, 0), min(photo.bottom, seen.bottom) - seen.top)
    columns = slice(max(photo.left - seen.left, 0), min(photo.right, seen.right) - seen.left)
    return Place(in_photo, (rows, columns))


def with_heat(row: Row, heatmap: Tensor, grid: Tensor, place: Place) -> Row:
    """The row with the figures of one heatmap [H, W], over the input, and its layer's own map [h, w].

    peak is of all that the network saw; box and centroid are of the part that is photo and not bars, in 0…1 of the
    whole photo: the largest part above 15 % of the peak there, and the mean place weighted by heat. share is the heat
    in the box, of all there is. A map without evidence has none of these, one that is not finite no peak either.
    """
    heat, scale = packed(grid)
    shape = {"input_h": heatmap.shape[0], "input_w": heatmap.shape[1], "grid_h": grid.shape[0], "grid_w": grid.shape[1]}
    seen = dict(zip(("seen_left", "seen_top", "seen_right", "seen_bottom"), place.seen))
    low, high = map(float, heatmap.aminmax())  # not finite where any value is not: NaN goes before all numbers
    state = "evidence" if low < high and isfinite(low) and isfinite(high) else state_of(heatmap)
    row = replace(row, heat=heat, heat_scale=scale, state=state, **shape, **seen)
    return row if state == "not finite" else replace(row, peak=high, **_figures(heatmap, place))


def _figures(heatmap, place):
    inner = heatmap[place.inner]  # never below zero: gradcam's ReLU
    columns, rows = inner.sum(0, dtype=torch.float64).numpy(), inner.sum(1, dtype=torch.float64).numpy()
    boxes = regions(inner, BOX_RULE).boxes
    if not boxes:
        return {}
    left, top, right, bottom = boxes[0]
    share = inner[top:bottom, left:right].sum(dtype=torch.float64) / heatmap.sum(dtype=torch.float64)
    first_row, first_column = place.inner[0].start, place.inner[1].start
    height, width = heatmap.shape

    def x(pixels):
        return place.seen[0] + (pixels + first_column) / width * (place.seen[2] - place.seen[0])

    def y(pixels):
        return place.seen[1] + (pixels + first_row) / height * (place.seen[3] - place.seen[1])

    middle_x, middle_y = _middle(columns), _middle(rows)
    box = {"box_left": x(left), "box_top": y(top), "box_right": x(right), "box_bottom": y(bottom)}
    return {"share": float(share), "centroid_x": x(middle_x), "centroid_y": y(middle_y), **box}


def _middle(weights):
    """The mean of the pixels' centres, weighted."""
    return float((weights * (np.arange(len(weights)) + 0.5)).sum() / weights.sum())
