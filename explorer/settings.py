"""Settings: every choice beside the photo, as one frozen value shared by controls, links, endpoints and views."""

from dataclasses import dataclass, fields

PREDICTED = "predicted"  # the target: the class with the largest logit
COLUMNS = ("conv1", "conv2", "conv3")  # the layers on the page, shallow to deep: every network has three convolutions


@dataclass(frozen=True)
class View:
    """What is explained, and how it is coloured. The defaults are those of the page and of every endpoint."""

    model: str = ""  # a name in potplants.MODELS; "" for the page's own
    method: str = "Grad-CAM"  # a key of gradcam.METHODS
    target: str = PREDICTED  # see service.target_choices
    layer: str = COLUMNS[-1]
    base: str = "edges"  # a key of grid.BASES: what lies under the heat
    colormap: str = "jet"  # a key of gradcam.COLORMAPS
    scale: str = "each map"  # a key of gradcam.SCALES


SETTINGS = tuple(field.name for field in fields(View))
