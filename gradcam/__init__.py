"""gradcam — where did it look? Tensors in, tensors out: Grad-CAM for every class at every layer in one call."""

from . import faithfulness
from .breakdown import Anatomy, take_apart
from .edges import edge_map
from .explainer import Explainer, Explanation
from .guided import guided_backpropagation, guided_grad_cam
from .heatmaps import combine_evidence, combine_product, combine_rescaled, empty, peaks
from .methods import METHODS
from .occlusion import occlusion
from .overlay import COLORMAPS, SCALES, colour_table, overlay, shades
from .regions import Regions, largest_box, regions
from .sanity import cascading_randomisation
from .suggestions import Suggestion, suggest_layers
from .variant_passes import Cancelled

__all__ = [
    "COLORMAPS",
    "METHODS",
    "SCALES",
    "Anatomy",
    "Cancelled",
    "Explainer",
    "Explanation",
    "Regions",
    "Suggestion",
    "cascading_randomisation",
    "colour_table",
    "combine_evidence",
    "combine_product",
    "combine_rescaled",
    "edge_map",
    "empty",
    "faithfulness",
    "guided_backpropagation",
    "guided_grad_cam",
    "largest_box",
    "occlusion",
    "overlay",
    "peaks",
    "regions",
    "shades",
    "suggest_layers",
    "take_apart",
]
