"""The page's own JavaScript and CSS files in explorer/static."""

from pathlib import Path
from string import Template

FOLDER = Path(__file__).parents[1] / "static"


def script(*names: str, **values: str) -> str:
    """The concatenated text of scripts; given values, each `$name` in them is replaced by its value."""
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in names)
    return Template(text).substitute(values) if values else text


def style(name: str) -> str:
    """The text of a style sheet."""
    return (FOLDER / name).read_text(encoding="utf-8")


def styles() -> list[Path]:
    """The paths of all style sheets for the page, sorted by name."""
    return sorted(FOLDER.glob("*.css"))
