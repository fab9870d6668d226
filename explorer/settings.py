"""Settings: every choice beside the photo, as one frozen value shared by controls, links, endpoints and views."""

from dataclasses import dataclass, fields

PREDICTED = "predicted"  # the target: the class with the largest logit
NOBODY = "none"  # in place of a second classifier
DEEPEST = "deepest"  # the layer: the last that a classifier's heat is read from


@dataclass(frozen=True)
class View:
    """What is explained, and how it is coloured. The defaults are those of the page and of every endpoint."""

    model: str = ""  # a classifier's name, see classifiers.find; "" for the page's own
    method: str = "Grad-CAM"  # a key of gradcam.METHODS
    target: str = PREDICTED  # see explained.target_choices
    layer: str = DEEPEST  # or a column of the classifier, see explained.layer_choices
    base: str = "edges"  # a key of grid.BASES: what lies under the heat
    colormap: str = "jet"  # a key of gradcam.COLORMAPS
    scale: str = "each map"  # a key of gradcam.SCALES
    outline: str = "none"  # a key of outlines.OUTLINES: what is drawn around where a map is hot
    beside: str = NOBODY  # a second classifier's name: its grid stands beside the first's


SETTINGS = tuple(field.name for field in fields(View))
