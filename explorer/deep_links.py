"""Deep links: example, settings, tab and what is changed as the query of a URL, and back."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from urllib.parse import urlencode

import classifiers
from explorer.explanation.grid import BASES
from explorer.explanation.outlines import OUTLINES
from explorer.explanation.targets import layer_choices, target_choices, target_named
from explorer.photos.examples import Examples
from explorer.settings import NOBODY, View
from explorer.tabs.what_if.settings import LINKED, EditSettings, from_link, to_link
from gradcam import COLORMAPS, METHODS, SCALES

NOT_HERE = "This link was made with its sender's own photo, which no link can hold: here is the view of an example."
OWN = "own"  # as an example's key: a photo of the sender's own
LONGEST_NAME = 100  # characters of a class or a layer
MISSING = "The {} that the link asks for is not here; the page opens with another."


@dataclass(frozen=True)
class Link:
    """The state of the page that a link can hold."""

    example: str | None = None  # an Example's key; OWN for a visitor's own photo, which no link can hold
    view: View = field(default_factory=View)
    tab: str = "explain"
    edit: EditSettings = field(default_factory=EditSettings)  # of the tab What if?, without what was drawn


def query(link: Link) -> str:
    """The link as a URL's query, "?example=test%2F0_000&layer=conv2", without defaults."""
    defaults = _parameters(Link())
    changed = {name: value for name, value in _parameters(link).items() if value != defaults[name]}
    return f"?{urlencode(changed)}" if changed else ""


def link_of(
    parameters: Mapping[str, str], examples: Examples, tabs: Collection[str], default_model: str
) -> tuple[Link, tuple[str, ...]]:
    """The link of a URL's parameters, and a sentence for each parameter with an unknown value.

    Parameters of other names are ignored. No sentence repeats a value: anybody can have written the URL, and the
    page would show the value, markup and all, as its own text.
    """
    asked = parameters.get("model", default_model)
    model = asked if classifiers.is_name(asked) else default_model
    sender_only = parameters.get("example") == OWN
    parameters = {name: value for name, value in parameters.items() if not (sender_only and name == "example")}
    checks = {
        "example": examples.every.__contains__,
        "model": classifiers.is_name,
        "method": METHODS.__contains__,
        "target": partial(_is_target, model),
        "layer": partial(_is_layer, model),
        "base": BASES.__contains__,
        "colormap": COLORMAPS.__contains__,
        "scale": SCALES.__contains__,
        "outline": OUTLINES.__contains__,
        "beside": _is_model_or_nobody,
        "tab": tabs.__contains__,
    }
    given = {name: parameters[name] for name in checks if name in parameters}
    valid = {name: value for name, value in given.items() if checks[name](value)}
    missing = tuple(MISSING.format(name) for name in given if name not in valid)
    outside_view = {name: valid.pop(name) for name in ("example", "tab") if name in valid}
    edit, unknown = from_link(parameters)
    sentences = (*missing, *map(MISSING.format, unknown), *([NOT_HERE] if sender_only else []))
    return Link(view=View(**valid), edit=edit, **outside_view), sentences


def _is_target(model, text):
    """Whether a model has the target; of one that is not loaded it is not known, and its answer will tell."""
    try:
        found = classifiers.find(model)
    except ValueError:
        return _may_be_name(text)
    with suppress(ValueError):
        return text in target_choices(found) or bool(target_named(found, text))
    return False


def _is_model_or_nobody(name):
    return name == NOBODY or classifiers.is_name(name)


def _is_layer(model, text):
    try:
        return text in layer_choices(classifiers.find(model))
    except ValueError:
        return _may_be_name(text)


def _may_be_name(text):
    return len(text) <= LONGEST_NAME and text.isprintable()


def _parameters(link):
    edit = to_link(link.edit)
    return {"example": link.example, **asdict(link.view), "tab": link.tab, **{name: edit[name] for name in LINKED}}
