"""What is changed, and how: the values that an intervention takes."""

from dataclasses import dataclass

from explorer.photos.edits import POT_COLOURS, blur, fill, repaint
from explorer.photos.grown import TOLERANCE
from explorer.photos.masks import PARTS
from explorer.settings import DEEPEST, PREDICTED

MARKED = PARTS[1:]  # regions that an example's mask marks
REGIONS = (*MARKED, "hottest", "click", "brush")
EDITS = {  # name → (photo, region, colour) → edited photo
    "repaint": lambda photo, region, colour: repaint(photo, region, POT_COLOURS.get(colour) or colour),
    "blur": lambda photo, region, colour: blur(photo, region),
    "fill": lambda photo, region, colour: fill(photo, region),
}


@dataclass(frozen=True)
class Change:
    """What is changed, and which heatmap is compared."""

    region: str = "hottest"  # one of regions.REGIONS
    percent: float = 10  # of the pixels; for the region "hottest" only
    target: str = PREDICTED
    layer: str = DEEPEST
    edit: str = "repaint"  # one of EDITS
    colour: str = "red"  # one of POT_COLOURS or "#rrggbb"; for the edit "repaint" only
    points: str = ""  # see grown.read_points; for the region "click" only
    tolerance: float = TOLERANCE  # see grown.grow; likewise
