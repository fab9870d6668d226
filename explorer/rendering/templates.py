"""The Jinja2 environment: templates beside their views, every value escaped, undefined names an error."""

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from explorer.rendering import static

from .images import data_uri, png_uri, shade_uri, svg_path
from .wording import duration, percent, plural, share, titled

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
    "shade_uri": shade_uri,
    "path": svg_path,
    "percent": percent,
    "plural": plural,
    "png_uri": png_uri,
    "share": share,
    "titled": titled,
    "zip": zip,
}


def render(template: str, macro: str, *values, **named) -> str:
    """The HTML of a macro in a template such as "explain/template.html", called with the values."""
    return str(getattr(ENVIRONMENT.get_template(template).module, macro)(*values, **named)).strip()
