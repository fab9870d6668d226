"""Deep links: example, settings and tab as the query of a URL, and back."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import urlencode

from explorer.explanation.grid import BASES
from explorer.explanation.service import target_choices
from explorer.photos.examples import Examples
from explorer.settings import COLUMNS, View
from gradcam import COLORMAPS, METHODS, SCALES
from potplants import MODELS

MISSING = "The {} that the link asks for is not here; the page opens with another."


@dataclass(frozen=True)
class Link:
    """The state of the page that a link can hold."""

    example: str | None = None  # an Example's key; None also for a visitor's own photo, which no link can hold
    view: View = field(default_factory=View)
    tab: str = "explain"


def query(link: Link) -> str:
    """The link as a URL's query, "?example=test%2F0_000&layer=conv2", without defaults."""
    defaults = _parameters(Link())
    changed = {name: value for name, value in _parameters(link).items() if value != defaults[name]}
    return f"?{urlencode(changed)}" if changed else ""


def link_of(parameters: Mapping[str, str], examples: Examples, tabs: Collection[str]) -> tuple[Link, tuple[str, ...]]:
    """The link of a URL's parameters, and a sentence for each parameter with an unknown value.

    Parameters of other names are ignored. No sentence repeats a value: anybody can have written the URL, and the
    page would show the value, markup and all, as its own text.
    """
    choices = {
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
    given = {name: parameters[name] for name in choices if name in parameters}
    valid = {name: value for name, value in given.items() if value in choices[name]}
    missing = tuple(MISSING.format(name) for name in given if name not in valid)
    outside_view = {name: valid.pop(name) for name in ("example", "tab") if name in valid}
    return Link(view=View(**valid), **outside_view), missing


def _parameters(link):
    return {"example": link.example, **asdict(link.view), "tab": link.tab}
