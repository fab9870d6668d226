"""The grid of heatmaps: targets down, layers across, each cell a coloured picture with a caption."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from classifiers import Frame
from explorer.rendering.wording import EMPTY, titled
from explorer.rendering.wording import peak as peak_in_words
from explorer.settings import View
from gradcam import colour_table, edge_map, overlay, shades

from .explained import ExplainedPhoto
from .outlines import Outline, drawn, outline

ALL_LAYERS = "all layers"
UNSEEN = 0.65  # how far what a crop leaves out fades to grey

BASES = {  # name → (opacity of the heat, the picture under it)
    "edges": (0.5, edge_map),  # the article's
    "photo": (0.5, lambda photo: photo),
    "none": (1.0, lambda photo: np.full_like(photo, 255)),
}


@dataclass(frozen=True)
class Cell:
    target: str
    layer: str  # its name in the network, or ALL_LAYERS
    column: str  # its name on the page: conv1, conv2 …
    picture: np.ndarray  # [H, W, 3] uint8, the photo as people see it; or shades of the heat, see `shaded`
    peak: float | None  # the strongest evidence; None for ALL_LAYERS, whose layers were rescaled
    empty: bool
    outline: Outline | None = None  # around where it is hot, where the view asks for it

    @property
    def caption(self) -> str:
        return f"{titled(self.target)} · {self.column} · {self.measured}"

    @property
    def measured(self) -> str:
        """The peak in words: no map is shown by its colours alone."""
        if self.peak is None:
            return EMPTY if self.empty else "rescaled, no peak"
        return peak_in_words(self.peak)


class Column(NamedTuple):
    """A column of the grid: a layer of the classifier, or all of them in one map."""

    layer: str  # its name in the network, or ALL_LAYERS
    heading: str
    has_cells: bool  # False where the method has no maps


def columns(explained: ExplainedPhoto) -> list[Column]:
    """Every column, shallow to deep, then all layers."""
    read = {layer.column: layer.name for layer in explained.layers}
    layers = [Column(read.get(column, name), column, column in read) for name, column, _ in explained.model.layers]
    return [*layers, Column(ALL_LAYERS, ALL_LAYERS, explained.complete)]


class Ground(NamedTuple):
    """The base picture under heatmaps, made once for many of them."""

    opacity: float  # of the heat
    picture: np.ndarray  # [H, W, 3] uint8, over the canvas; what the network does not see is faded
    frame: Frame


def ground_of(frame: Frame, view: View) -> Ground:
    """The view's base picture of a photo. Raises ValueError for an unknown base."""
    if view.base not in BASES:
        raise ValueError(f"There is no base {view.base!r}; choose one of {', '.join(BASES)}.")
    opacity, picture = BASES[view.base]
    return Ground(opacity, _faded(picture(frame.canvas), frame), frame)


def coloured(ground: Ground, heat: Tensor, view: View, scale: str = "each map") -> np.ndarray:
    """Heat over the network's input [..., h, w] in the view's colours, over the photo as people see it, without bars.

    uint8 [..., H, W, 3]. scale: a key of gradcam.SCALES. What the network did not see has no colour: not even that of
    no evidence. Raises ValueError for an unknown colormap or scale.
    """
    frame = ground.frame
    seen = overlay(ground.picture[frame.seen.slices], heat, view.colormap, ground.opacity, scale)
    if frame.whole:
        return frame.shown(seen)
    pictures = np.broadcast_to(ground.picture, (*seen.shape[:-3], *ground.picture.shape)).copy()
    pictures[(..., *frame.seen.slices, slice(None))] = seen
    return frame.shown(pictures)


def _faded(picture, frame):
    if frame.whole:
        return picture
    faded = np.rint(picture + UNSEEN * (128.0 - picture)).astype(np.uint8)
    faded[frame.seen.slices] = picture[frame.seen.slices]
    return faded


def colour_stops(view: View) -> list[list[int]]:
    """The view's colours from no evidence to the strongest, for a colour bar: 18 of them as (r, g, b)."""
    return colour_table(view.colormap)[::15].tolist()


def draw(explained: ExplainedPhoto, view: View) -> list[list[Cell]]:
    """The cells of an explained photo, K rows of L + 1, as pictures; of L, where some of the model's layers have none.

    The column for all layers always has each map's own scale, since its layers were rescaled.
    Raises ValueError for an unknown base, colormap, scale or outline.
    """
    ground = ground_of(explained.frame, view)
    layers = coloured(ground, explained.evidence, view, view.scale)  # [K, L, H, W, 3]
    combined = coloured(ground, explained.combined, view)  # [K, H, W, 3]
    cells = _cells(explained, layers, combined, view)
    if view.outline == "none":
        return cells
    return [
        [replace(cell, picture=drawn(cell.picture, cell.outline)) if cell.outline else cell for cell in row]
        for row in cells
    ]


@dataclass(frozen=True)
class Sheet:
    """What a browser draws cells from: the ground once, and for each cell the shades of its heat, a third of the bytes.

    Colours and opacity are the browser's work: an index into the colour table is the evidence, up to its rounding.
    """

    ground: np.ndarray  # [H, W, 3] uint8, the photo as people see it
    opacity: float
    place: tuple[float, float, float, float]  # of the heat on it: left, top, width, height, in parts of 1
    colours: np.ndarray  # uint8 [256, 3]
    cells: list[list[Cell]]  # their pictures are shades, [h, w] uint8


def shaded(explained: ExplainedPhoto, view: View) -> Sheet:
    """The cells of `draw` in shades. Raises as it does."""
    frame, ground = explained.frame, ground_of(explained.frame, view)
    box, (left, top, right, bottom), seen = frame.explained, frame.photo, frame.seen
    width, height = right - left, bottom - top
    within = (
        ...,
        slice(box.top - seen.top, box.bottom - seen.top),
        slice(box.left - seen.left, box.right - seen.left),
    )
    layers = shades(explained.evidence[within], view.scale)  # [K, L, h, w]
    combined = shades(explained.combined[within])  # [K, h, w]
    place = (
        *((box.left - left) / width, (box.top - top) / height),
        *((box.right - box.left) / width, (box.bottom - box.top) / height),
    )
    cells = _cells(explained, layers, combined, view)
    return Sheet(frame.shown(ground.picture), ground.opacity, place, colour_table(view.colormap), cells)


def _cells(explained, pictures, combined, view):
    """The cells with these pictures [K, L, …], and [K, …] of all layers."""
    if explained.complete:
        pictures = np.concatenate([pictures, combined[:, None]], 1)
    outlines = _outlines(explained, view.outline)
    combined_empty = (explained.combined.numpy().max((-2, -1)) <= 0).tolist()
    headings = [(column.layer, column.heading) for column in columns(explained) if column.has_cells]
    rows = zip(explained.targets, pictures, explained.peaks, combined_empty, outlines)
    return [
        [
            Cell(target, layer, heading, picture, peak, no_heat if peak is None else peak <= 0, line)
            for (layer, heading), picture, peak, line in zip(headings, row, [*row_peaks, None], lines)
        ]
        for target, row, row_peaks, no_heat, lines in rows
    ]


def _outlines(explained, name):
    """For each target the outlines of its cells, or None where there are none to be drawn."""
    if name == "none":
        return [[None] * (explained.evidence.shape[1] + 1)] * len(explained.targets)
    maps = torch.cat([explained.evidence, explained.combined[:, None]], 1)  # [K, L + 1, h, w]
    return [[outline(heat, name, explained.frame) for heat in row] for row in maps]
