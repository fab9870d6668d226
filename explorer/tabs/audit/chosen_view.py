"""The photos behind a number of an audit, as HTML."""

from classifiers.photos.decode import read_photo
from explorer.deep_links import Link, query
from explorer.rendering.images import thumbnail
from explorer.rendering.templates import render
from explorer.rendering.wording import percent, plural, titled
from explorer.settings import View
from explorer.tabs.what_if.settings import EditSettings

from .chosen import ANY, Chosen, Filter, choices, chosen
from .store import AuditResult

MOST = 60  # photos: 3 kB each
LABELS = {
    "model": "model",
    "split": "photos",
    "really": "really",
    "said": "said",
    "answer": "answer",
    "hottest": "hottest on",
    "colour": "pot painted",
}


def sheet(result: AuditResult, wanted: Filter) -> str:
    """The photos that a filter lets through, and the filter to change."""
    photos, there = chosen(result, wanted), choices(result)
    filters = [
        (name, label, there[name], getattr(wanted, name), name != "model")
        for name, label in LABELS.items()
        if there[name]
    ]
    tiles = [_tile(one, wanted) for one in photos[:MOST]]
    return render("audit/chosen.html", "sheet", _words(len(photos), wanted), filters, tiles, len(photos[MOST:]))


def _words(count, wanted):
    photos = plural(count, "photo")
    split = f" of {wanted.split}" if wanted.split else ""
    really = f" that show{'s' if count == 1 else ''} {titled(wanted.really)}" if wanted.really else ""
    painted = f", the pot painted {wanted.colour}" if wanted.colour else ""
    said = f", called {titled(wanted.said)}" if wanted.said else ""
    answer = f", {wanted.answer}" if wanted.answer else ""
    hottest = f", hottest on the {wanted.hottest}" if wanted.hottest else ""
    return f"{wanted.model}: {photos}{split}{really}{painted}{said}{answer}{hottest}"


def _tile(one: Chosen, wanted):
    mark = "✓" if one.said == one.example.really else "✗"
    sure = "" if one.probability is None else f", {percent(one.probability)}"
    words = f"{mark} {titled(one.said)}{sure}"
    view = View(wanted.model)
    if wanted.colour == ANY:
        link = Link(one.example.key, view)
    else:
        link = Link(one.example.key, view, "what-if", EditSettings(colour=wanted.colour))
    return {
        "picture": thumbnail(read_photo(one.example.file).pixels),
        "alt": f"{one.example.key}, really {titled(one.example.really)}, {wanted.model} says {words}",
        "words": words,
        "key": one.example.key,
        "link": query(link),
    }
