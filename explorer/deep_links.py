"""Deep links: what a visitor sees, as the query of a URL, and back again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlencode

from explorer.explanation.grid import BASES
from explorer.explanation.service import COLUMNS, PREDICTED, target_choices
from explorer.photos.examples import Examples
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

MISSING = "The {} that the link asks for is not here; the page opens with another."


@dataclass(frozen=True)
class View:
    """Everything that a link can say. None is left to the page: its story, its model."""

    example: str | None = None  # an Example's key; None also for a visitor's own photo, which no link can hold
    model: str | None = None
    method: str = "Grad-CAM"
    target: str = PREDICTED
    layer: str = COLUMNS[-1]
    base: str = "edges"
    colormap: str = "jet"
    scale: str = "each map"
    tab: str = "explain"


def query(view: View) -> str:
    """The view as a URL's query, "?example=test%2F0_000&layer=conv2": what is as on opening is left out."""
    said = {field.name: getattr(view, field.name) for field in fields(View)}
    spoken = {name: value for name, value in said.items() if value != getattr(View(), name)}
    return f"?{urlencode(spoken)}" if spoken else ""


def view_of(parameters: Mapping[str, str], examples: Examples, tabs: Collection[str]) -> tuple[View, tuple[str, ...]]:
    """The view that a URL's parameters ask for, and a sentence for each that asks for something there is not.

    Parameters of other names are not ours to judge. What a link says is not repeated: anybody can have written it, and the
    page would show it, markup and all, as words of its own.
    """
    there = {
        "example": examples.every,
        "model": MODELS,
        "method": METHODS,
        "target": target_choices(MODELS.get(parameters.get("model"))),
        "layer": COLUMNS,
        "base": BASES,
        "colormap": COLORMAPS,
        "scale": SCALES,
        "tab": tabs,
    }
    asked = {name: parameters[name] for name in there if name in parameters}
    good = {name: value for name, value in asked.items() if value in there[name]}
    return View(**good), tuple(MISSING.format(name) for name in asked if name not in good)
