"""The audit as HTML: on the page, and as a report that stands alone."""

import cv2
import numpy as np

from explorer.deep_links import Link, query
from explorer.explanation.grid import coloured, ground_of
from explorer.photos.edits import POT_COLOURS
from explorer.rendering.static import style
from explorer.rendering.templates import render
from explorer.rendering.wording import peak, percent, share
from explorer.settings import View

from . import statistics as figures
from .audit import METHOD, RANDOM, WORST
from .store import Result

TEMPLATE, REPORT = "audit/template.html", "audit/report.html"
TILE = 160  # pixels of a photo in the gallery
NAMED = 8  # faults that are named on the page; the JSON names all
PARTS = ("pot", "plant", "soil", "background")  # of a photo, as the bars show them
FULL = 0.75  # how strongly a cell is coloured that holds all photos of its class: the count stays readable


def shown(result: Result, view: View, linked: bool = True) -> str:
    """The whole audit. linked: a click on a photo opens it in Explain, which only the page can do."""
    return render(TEMPLATE, "audit", **_told(result, view, linked))


def invitation(photos: int, models: tuple[str, ...]) -> str:
    """What stands there before the first audit."""
    return render(TEMPLATE, "invitation", photos, models)


def stopped() -> str:
    return render(TEMPLATE, "stopped")


def document(result: Result, view: View) -> str:
    """One page of HTML that needs nothing beside it."""
    sheet = "".join(map(style, ("alone/report.css", "audit.css")))
    return render(REPORT, "document", result, told=_told(result, view, linked=False), sheet=sheet, method=METHOD)


def _told(result, view, linked):
    """All that the page and the report have in common."""
    return {
        "note": result.note,
        "splits": result.splits,
        "rates": [(audit.model.name, _rates(audit, result.splits)) for audit in result.audits],
        "difference": _difference(result),
        "faults": _faults(result),
        "confusions": [_confusion(audit, split) for audit in result.audits for split in result.splits],
        "pots": _pots(result),
        "parts": PARTS,
        "heats": _heats(result),
        "means": [(audit.model.name, _means(audit, view)) for audit in result.audits],
        "galleries": [(audit.model.name, _gallery(audit, view, linked)) for audit in result.audits],
        "rules": (WORST, RANDOM),
    }


# How often right


def _rates(audit, splits):
    return [figures.accuracy(figures.of_split(audit.answers, split)) for split in splits]


def _difference(result):
    if len(result.audits) < 2:
        return ""
    told = figures.differences(*result.audits)
    one, other = (audit.model.name for audit in result.audits)
    return (
        f"Photo by photo: both right about {told['both']}, only {one} about {told[one]}, "
        f"only {other} about {told[other]}, neither about {told['neither']}."
    )


def _faults(result):
    kinds = [
        (result.unread, "could not be read and is left out", "could not be read and are left out"),
        (result.misfits, "has a mask that cannot be used", "have masks that cannot be used"),
    ]
    return [_listed(*kind) for kind in kinds if kind[0]]


def _listed(faults, one, many):
    named = "; ".join(f"{fault.key} ({fault.reason.rstrip('.')})" for fault in faults[:NAMED])
    more = f"; and {len(faults) - NAMED} more, which the JSON names" if len(faults) > NAMED else ""
    count = f"1 photo {one}" if len(faults) == 1 else f"{len(faults)} photos {many}"
    return f"{count}: {named}{more}."


def _confusion(audit, split):
    classes = audit.model.classes
    counts = figures.confusion(figures.of_split(audit.answers, split), classes)
    return {
        "name": audit.model.name,
        "split": split,
        "classes": classes,
        "rows": [(really, _counts(really, row, classes)) for really, row in zip(classes, counts)],
    }


def _counts(really, row, classes):
    """(count, whether that is right, how strongly it is coloured) for all that was said."""
    whole = sum(row)
    return [(count, said == really, FULL * (count / whole if whole else 0)) for said, count in zip(classes, row)]


# Whom it follows


def _pots(result):
    if not result.request.repaint:
        return {"missing": "Not asked for in this audit."}
    if not any(result.repainted.values()):
        return {"missing": "No photo here has a mask that says where the pot is, so no pot can be repainted."}
    colours = [(colour, paint, result.owners.get(colour)) for colour, paint in POT_COLOURS.items()]
    return {"missing": "", "colours": colours, "models": [_pots_of(result, audit) for audit in result.audits]}


def _pots_of(result, audit):
    repainted = result.repainted[audit.model.name]
    paint = _paint(result.owners, audit.model.classes)
    table = figures.pots(repainted, audit.model.classes)
    told = figures.followed(repainted, audit.answers, result.owners)
    return {
        "name": audit.model.name,
        "told": told,
        "follows": told and _follows(told),
        "rows": [
            (really, [_pot(said, really, result.owners.get(colour), paint) for colour, said in row.items()])
            for really, row in table.items()
        ],
    }


def _follows(told):
    pot, plant = told.pot.count, told.plant.count
    return "both alike" if pot == plant else "the pot" if pot > plant else "the plant"


def _paint(owners, classes):
    """Class → the colour its pot has, or a grey."""
    known = {plant: POT_COLOURS[colour] for colour, plant in owners.items()}
    return {name: known.get(name, "#808080") for name in classes}


def _pot(said, really, owner, paint):
    """What is said of a plant in pots of one colour; None where no photo shows that."""
    if not any(said.values()):
        return None
    most = max(said, key=said.get)
    given = {name: count for name, count in said.items() if count}
    return {
        "most": most,
        "count": said[most],
        "whole": sum(said.values()),
        "follows": "own" if owner in (None, really) else {owner: "pot", really: "plant"}.get(most, "other"),
        "words": ", ".join(f"{name.capitalize()} {count}" for name, count in given.items()),
        "stack": [(count, paint[name]) for name, count in given.items()],
    }


# Where the heat lies


def _heats(result):
    """(split, heat of every class); nothing where no photo has a mask."""
    if not any(found.area for audit in result.audits for found in audit.answers):
        return []
    classes = result.audits[0].model.classes
    return [(split, [_heat_of(result, split, really) for really in classes]) for split in result.splits]


def _heat_of(result, split, really):
    heats = [
        (audit.model.name, figures.heat(figures.of_split(audit.answers, split, really))) for audit in result.audits
    ]
    area = next((_bar("area", heat.area) for _, heat in heats if heat.measured), None)
    return {"really": really, "area": area, "models": [_heat_bar(name, heat) for name, heat in heats]}


def _heat_bar(name, heat):
    """A bar, if anything was measured, and words about it."""
    left_out = _left_out(heat)
    if not heat.measured:
        return {"name": name, "bar": None, "words": left_out or "no photo"}
    hottest = ", ".join(f"{part} {heat.hottest[part]}" for part in PARTS if heat.hottest[part])
    words = f"pot {_times(heat, 'pot')}, plant {_times(heat, 'plant')}; hottest pixel of {heat.measured}: {hottest}"
    return {"name": name, "bar": _bar(name, heat.heat), "words": f"{words}; {left_out}" if left_out else words}


def _left_out(heat):
    told = [(heat.empty, "empty map" if heat.empty == 1 else "empty maps"), (heat.unmasked, "without a mask")]
    return ", ".join(f"{count} {what}" for count, what in told if count)


def _times(heat, part):
    ratio = heat.ratio(part)
    return share(heat.heat[part]) + (f" ({ratio:.1f} ×)" if ratio is not None else "")


def _bar(name, held):
    words = ", ".join(f"{part} {share(held[part])}" for part in PARTS)
    return {"name": name, "words": words, "parts": [(part, held[part]) for part in PARTS]}


# Pictures


def _means(audit, view):
    return [_mean(really, mean, view) for really, mean in audit.means.items()]


def _mean(really, mean, view):
    words = f"{really.capitalize()}: {mean.photos} photos, {mean.empty} empty, {peak(mean.heat.max())}"
    drawn = coloured(ground_of(np.empty((*mean.heat.shape, 3), np.uint8), View(base="none")), mean.heat, view)
    return {"picture": _tile(drawn), "alt": f"mean heatmap, {words}", "words": words, "key": "", "link": ""}


def _gallery(audit, view, linked):
    """(title, photos) for each class and each rule."""
    rules = {"most confident mistakes": audit.worst, "random": audit.random}
    return [
        (f"{really.capitalize()}: {rule}", [_instance(audit, found, view, linked) for found in chosen[really]])
        for really in audit.model.classes
        for rule, chosen in rules.items()
    ]


def _instance(audit, found, view, linked):
    example, sight = found.example, audit.sights[found.example.key]
    empty = ", no positive evidence" if found.empty else ""
    words = f"{'✓' if found.right else '✗'} {found.said.capitalize()}, {percent(found.probability)}{empty}"
    return {
        "picture": _tile(coloured(ground_of(sight.photo, View(base="photo")), sight.heat, view)),
        "alt": f"{example.key}, really {example.really.capitalize()}, {audit.model.name} says {words}",
        "words": words,
        "key": example.key,
        "link": query(Link(example.key, View(audit.model.name, colormap=view.colormap))) if linked else "",
    }


def _tile(picture):
    return cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA)
