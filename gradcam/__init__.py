"""gradcam — where did it look? Tensors in, tensors out: Grad-CAM for every class at every layer in one call."""

from .edges import edge_map
from .explainer import Explainer, Explanation
from .heatmaps import combine_layers, empty, peaks
from .methods import METHODS
from .overlay import COLORMAPS, SCALES, colour_table, overlay

__all__ = [
    "COLORMAPS",
    "METHODS",
    "SCALES",
    "Explainer",
    "Explanation",
    "colour_table",
    "combine_layers",
    "edge_map",
    "empty",
    "overlay",
    "peaks",
]
