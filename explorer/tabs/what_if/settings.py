"""Settings of the tab's own controls, as one value, and as texts that a link can hold."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields

from explorer.photos.colours import HUES, STEP
from explorer.photos.edits import POT_COLOURS, rgb
from explorer.photos.grown import MAX_POINTS, TOLERANCE, TOLERANCES, read_points
from explorer.settings import View

from .change import EDITS, REGIONS, Change

CUSTOM = "another"  # the choice of a colour that is not a pot's
PERCENTS = 1, 50  # of the slider for the hottest part
FARTHEST = 99_999  # pixels: a link's points are checked against the photo once it is there


@dataclass(frozen=True)
class EditSettings:
    """Values of the tab's own controls. The defaults are those of the page."""

    region: str = "pot"
    percent: float = 10
    edit: str = "repaint"
    colour: str = "red"  # of POT_COLOURS, or CUSTOM
    custom_colour: str = "#7a3fb0"  # as the colour picker sends it; used where `colour` is CUSTOM
    tolerance: float = TOLERANCE
    points: str | None = ""  # "120,80 -40,50", then perhaps "@" and the name of the photo that was clicked
    strokes: dict | None = None  # what was drawn, and on which photo: no link holds it
    hue: str | None = ""  # degrees at which the wheel rests; "": at the colour

    def change(self, view: View, photo: str = "") -> Change:
        """What is asked of the intervention. photo: the name of the one that is shown; points of another are none."""
        colour = as_hex(self.custom_colour) if self.colour == CUSTOM else self.colour
        points = points_on(self.points, photo)
        return Change(self.region, self.percent, view.target, view.layer, self.edit, colour, points, self.tolerance)


def points_on(text: str | None, photo: str) -> str:
    """The points that were clicked on the named photo; those that name none are a link's, for the one it opens."""
    points, _, name = (text or "").partition("@")
    return points.strip() if not name or name == photo else ""


def as_hex(colour: str) -> str:
    """A colour picker's value, "rgba(r, g, b, a)" or "#rrggbb", as the latter; any other text as it is."""
    channels = re.match(r"rgba?\((\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?)", colour)
    if not channels:
        return colour
    return "#" + "".join(f"{min(round(float(channel)), 255):02x}" for channel in channels.groups())


def to_link(settings: EditSettings) -> dict[str, str]:
    """Every setting that a link can hold, as texts: region, percent, edit, colour, points, tolerance, hue.

    colour is a pot's, or "#rrggbb". `from_link` reads it back; a drawing is left out, since it is a picture.
    """
    colour = as_hex(settings.custom_colour) if settings.colour == CUSTOM else settings.colour
    return {
        "region": settings.region,
        "percent": f"{settings.percent:g}",
        "edit": settings.edit,
        "colour": colour,
        "tolerance": f"{settings.tolerance:g}",
        "points": (settings.points or "").partition("@")[0].strip(),
        "hue": settings.hue or "",
    }


def from_link(parameters: Mapping[str, str]) -> tuple[EditSettings, tuple[str, ...]]:
    """The settings of a link's parameters, and the names of those whose values are none; the rest have the default.

    Parameters of other names are ignored. A drawing is in no link: the region brush opens with an empty pad.
    """
    given = {name: parameters[name] for name in _CHECKS if name in parameters}
    valid = {name: text for name, text in given.items() if _CHECKS[name](text)}
    values: dict = {name: float(text) if name in ("percent", "tolerance") else text for name, text in valid.items()}
    if valid.get("colour", "").startswith("#"):
        values |= {"colour": CUSTOM, "custom_colour": valid["colour"]}
    return EditSettings(**values), tuple(name for name in given if name not in valid)


def _is_colour(text):
    with suppress(ValueError):
        return text in POT_COLOURS or rgb(text) is not None
    return False


def _within(bounds):
    def check(text):
        return re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text) is not None and bounds[0] <= float(text) <= bounds[1]

    return check


def _are_points(text):
    with suppress(ValueError):
        return len(read_points(text, FARTHEST, FARTHEST)) <= MAX_POINTS
    return False


HUE_DEGREES = tuple(str(STEP * step) for step in range(HUES))
_CHECKS = {
    "region": REGIONS.__contains__,
    "percent": _within(PERCENTS),
    "edit": EDITS.__contains__,
    "colour": _is_colour,
    "tolerance": _within(TOLERANCES),
    "points": _are_points,
    "hue": ("", *HUE_DEGREES).__contains__,
}
LINKED = tuple(_CHECKS)  # the names that a link may use for them
assert set(LINKED) < {field.name for field in fields(EditSettings)}
