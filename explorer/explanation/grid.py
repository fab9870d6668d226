"""The grid of heatmaps: targets down, layers across, each cell a coloured picture with words that say what is in it."""

from dataclasses import dataclass

import numpy as np

from gradcam import edge_map, overlay

from .service import ALL_LAYERS, COLUMNS, ExplainedPhoto

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
    picture: np.ndarray  # [S, S, 3] uint8
    peak: float | None  # the strongest evidence; None for ALL_LAYERS, whose layers were rescaled
    empty: bool

    @property
    def caption(self) -> str:
        return f"{self.target.capitalize()} · {self.column} · {self.measured}"

    @property
    def measured(self) -> str:
        """The evidence in words: a map is never only a colour."""
        if self.empty:
            return "no positive evidence"
        return "rescaled, no peak" if self.peak is None else f"peak {self.peak:.2g}".replace("e-0", "e-")


def columns(explained: ExplainedPhoto) -> dict[str, str]:
    """Layer → its heading on the page."""
    return {**dict(zip(explained.model.layers, COLUMNS)), ALL_LAYERS: ALL_LAYERS}


def draw(explained: ExplainedPhoto, base: str, colormap: str, scale: str) -> list[list[Cell]]:
    """The study's cells, K rows of L + 1. The column for all layers keeps a scale of its own: its layers were rescaled.

    Raises ValueError for an unknown base, colormap or scale.
    """
    if base not in BASES:
        raise ValueError(f"There is no base {base!r}; choose one of {', '.join(BASES)}.")
    opacity, picture = BASES[base]
    ground = picture(explained.photo)
    layers = overlay(ground, explained.evidence, colormap, opacity, scale)  # [K, L, S, S, 3]
    combined = overlay(ground, explained.combined, colormap, opacity)[:, None]  # [K, 1, S, S, 3]
    pictures = np.concatenate([layers, combined], 1)
    peaks = explained.evidence.amax((-2, -1)).tolist()
    empty = (explained.combined.amax((-2, -1)) <= 0).tolist()
    headings = columns(explained)
    return [
        [
            Cell(target, layer, headings[layer], picture, peak, empty=gone if peak is None else peak <= 0)
            for layer, picture, peak in zip(headings, row, [*strongest, None])
        ]
        for target, row, strongest, gone in zip(explained.targets, pictures, peaks, empty)
    ]
