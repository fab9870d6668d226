"""The page's own JavaScript and CSS, as it lies in explorer/static."""

from pathlib import Path
from string import Template

FOLDER = Path(__file__).parents[1] / "static"


def script(*names: str, **values: str) -> str:
    """The text of one script or of several, one after the other; `$name` in them stands for one of the values."""
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in names)
    return Template(text).substitute(values) if values else text


def style(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def styles() -> list[Path]:
    """Every style sheet, in the order of their names."""
    return sorted(FOLDER.glob("*.css"))
