"""What choices are called on the page."""

from explorer.explanation.targets import MIXTURE
from explorer.rendering.wording import titled
from explorer.settings import PREDICTED

TARGET_LABELS = {PREDICTED: "predicted", MIXTURE: "mixture"}
BASE_LABELS = {"edges": "edges (the article's)", "photo": "photo", "none": "none"}
COLORMAP_LABELS = {
    "jet": "jet (the article's)",
    "viridis": "viridis (even steps)",
    "cividis": "cividis (even steps, colour-blind safe)",
}
SCALE_LABELS = {
    "each map": "each map",
    "shared": "shared over the grid",
    "square root": "shared, and its square root",
}
OUTLINE_LABELS = {
    "none": "none",
    "15 %": "15 % of the peak (the paper's)",
    "otsu": "Otsu's threshold",
    "hottest tenth": "nine tenths of the photo",
}


def labelled(names, labels=None):
    """Choices as Gradio takes them, (label, name). The default label is the name, capitalised."""
    return [((labels or {}).get(name, titled(name)), name) for name in names]
