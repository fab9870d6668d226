"""Jinja2 as this app uses it: templates beside the views that fill them, every value escaped, an unknown name an error."""

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from explorer.rendering import static

from .images import data_uri
from .wording import duration, percent, share

EXPLORER = static.FOLDER.parent
ENVIRONMENT = Environment(
    loader=FileSystemLoader([EXPLORER / "rendering", EXPLORER / "tabs"]),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
ENVIRONMENT.filters |= {
    "data_uri": data_uri,
    "duration": duration,
    "percent": percent,
    "share": share,
}


def render(template: str, macro: str, *values, **named) -> str:
    """HTML of one macro of a template, "explain/template.html", filled with values."""
    return str(getattr(ENVIRONMENT.get_template(template).module, macro)(*values, **named)).strip()
