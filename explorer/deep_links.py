"""Deep links: what a visitor sees, as the query of a URL, and back again."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import urlencode

from explorer.explanation.grid import BASES
from explorer.explanation.service import COLUMNS, target_choices
from explorer.photos.examples import Examples
from explorer.settings import View
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

MISSING = "The {} that the link asks for is not here; the page opens with another."


@dataclass(frozen=True)
class Link:
    """Everything that a link can say."""

    example: str | None = None  # an Example's key; None also for a visitor's own photo, which no link can hold
    view: View = field(default_factory=View)
    tab: str = "explain"


def query(link: Link) -> str:
    """The link as a URL's query, "?example=test%2F0_000&layer=conv2": what is as on opening is left out."""
    usual = _parameters(Link())
    changed = {name: value for name, value in _parameters(link).items() if value != usual[name]}
    return f"?{urlencode(changed)}" if changed else ""


def link_of(parameters: Mapping[str, str], examples: Examples, tabs: Collection[str]) -> tuple[Link, tuple[str, ...]]:
    """The link that a URL's parameters make, and a sentence for each that asks for something there is not.

    Parameters of other names are ignored. What a URL says is not repeated: anybody can have written it, and the
    page would show it, markup and all, as words of its own.
    """
    there = {
        "example": examples.every,
        "model": MODELS,
        "method": METHODS,
        "target": target_choices(MODELS.get(parameters.get("model", ""))),
        "layer": COLUMNS,
        "base": BASES,
        "colormap": COLORMAPS,
        "scale": SCALES,
        "tab": tabs,
    }
    asked = {name: parameters[name] for name in there if name in parameters}
    good = {name: value for name, value in asked.items() if value in there[name]}
    frame = {name: good.pop(name) for name in ("example", "tab") if name in good}
    missing = tuple(MISSING.format(name) for name in asked if name not in good | frame)
    return Link(view=View(**good), **frame), missing


def _parameters(link):
    return {"example": link.example, **asdict(link.view), "tab": link.tab}
