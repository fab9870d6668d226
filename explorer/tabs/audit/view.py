"""The audit as HTML: on the page, and as a standalone report."""

import cv2
import numpy as np

from classifiers.preprocessing import Box, Frame
from explorer.deep_links import Link, query
from explorer.explanation.grid import coloured, ground_of
from explorer.photos.edits import POT_COLOURS
from explorer.rendering.static import style
from explorer.rendering.templates import render
from explorer.rendering.wording import peak, percent, plural, share, titled
from explorer.settings import View

from . import statistics
from .audit import METHOD, RANDOM, WORST
from .store import AuditResult

TEMPLATE, REPORT = "audit/template.html", "audit/report.html"
TILE = 160  # pixels of a photo in the gallery
MAX_FAULTS = 8  # faults listed on the page; the JSON lists all
PARTS = ("pot", "plant", "soil", "background")  # of a photo, in the order of the bars
MAX_TINT = 0.75  # of a cell that holds all photos of its class: the count stays readable


def shown(result: AuditResult, view: View, linked: bool = True) -> str:
    """The whole audit. linked: a click on a photo opens it in Explain, which only the page can do."""
    return render(TEMPLATE, "audit", **_content(result, view, linked))


def invitation(photos: int, models: tuple[str, ...]) -> str:
    """Shown before the first audit."""
    return render(TEMPLATE, "invitation", photos, models)


def stopped() -> str:
    return render(TEMPLATE, "stopped")


def document(result: AuditResult, view: View) -> str:
    """One page of HTML without external resources."""
    sheet = "".join(map(style, ("alone/report.css", "audit.css")))
    return render(REPORT, "document", result, _content(result, view, linked=False), sheet=sheet, method=METHOD)


def _content(result, view, linked):
    """The template's arguments, for the page and the report."""
    pots = _pots(result)
    return {
        "note": result.note,
        "beforehand": result.beforehand,
        "pressable": linked,
        "splits": result.splits,
        "rates": [(audit.model.name, _rates(audit, result.splits)) for audit in result.audits],
        "difference": _difference(result),
        "faults": _faults(result),
        "confusions": [_confusion(audit, split) for audit in result.audits for split in result.splits],
        "pots": pots,
        "follows": _headline(result, pots),
        "parts": PARTS,
        "heats": _heats(result),
        "means": [(audit.model.name, _means(audit, view)) for audit in result.audits],
        "galleries": [(audit.model.name, _gallery(audit, view, linked)) for audit in result.audits],
        "rules": (WORST, RANDOM),
    }


# Accuracy and confusion


def _rates(audit, splits):
    return [statistics.accuracy(statistics.select(audit.predictions, split)) for split in splits]


def _difference(result):
    if len(result.audits) < 2:
        return ""
    counts = statistics.differences(*result.audits)
    one, other = (audit.model.name for audit in result.audits)
    return (
        f"Photo by photo: both right for {counts['both']}, only {one} for {counts[one]}, "
        f"only {other} for {counts[other]}, neither for {counts['neither']}."
    )


def _faults(result):
    kinds = [
        (result.unreadable, "could not be read and is left out", "could not be read and are left out"),
        (result.unusable_masks, "has a mask that cannot be used", "have masks that cannot be used"),
    ]
    return [_fault_sentence(*kind) for kind in kinds if kind[0]]


def _fault_sentence(faults, one, many):
    listed = "; ".join(f"{fault.key} ({fault.reason.rstrip('.')})" for fault in faults[:MAX_FAULTS])
    more = f"; and {len(faults) - MAX_FAULTS} more, which the JSON names" if len(faults) > MAX_FAULTS else ""
    count = f"1 photo {one}" if len(faults) == 1 else f"{len(faults)} photos {many}"
    return f"{count}: {listed}{more}."


def _confusion(audit, split):
    classes, columns = audit.classes, statistics.confusion_columns(audit)
    counts = statistics.confusion(statistics.select(audit.predictions, split), classes, columns)
    return {
        "name": audit.model.name,
        "split": split,
        "classes": columns,
        "rows": [(true_class, _confusion_row(true_class, row, columns)) for true_class, row in zip(classes, counts)],
    }


def _confusion_row(true_class, row, classes):
    """(count, whether it is correct, strength of the tint) for each predicted class."""
    total = sum(row)
    return [
        (count, predicted == true_class, MAX_TINT * (count / total if total else 0))
        for predicted, count in zip(classes, row)
    ]


# Causal test


def _pots(result):
    if not result.request.repaint:
        return {"missing": "Not asked for in this audit."}
    if not any(result.repainted.values()):
        return {"missing": "No photo here has a mask that says where the pot is, so no pot can be repainted."}
    colours = [(colour, paint, result.plant_of_colour.get(colour)) for colour, paint in POT_COLOURS.items()]
    return {"missing": "", "colours": colours, "models": [_pots_of(result, audit) for audit in result.audits]}


def _pots_of(result, audit):
    repainted, plants = result.repainted[audit.model.name], result.plant_of_colour
    paints = _paints(plants, audit.classes)
    table = statistics.repaint_table(repainted, audit.classes)
    rates = statistics.repaint_rates(repainted, audit.predictions, plants)
    return {
        "name": audit.model.name,
        "rates": rates,
        "follows": rates and _follows(rates),
        "rows": [
            (plant, [_pot_cell(counts, plant, plants.get(colour), paints) for colour, counts in row.items()])
            for plant, row in table.items()
        ],
    }


def _headline(result, pots):
    """The audit in one sentence: what each model's answers follow, else how often they are right."""
    if not pots["missing"] and all(model["rates"] for model in pots["models"]):
        return "; ".join(_headline_of(model) for model in pots["models"]) + "."
    rates = [(audit.model.name, statistics.accuracy(audit.predictions)) for audit in result.audits]
    return "; ".join(f"{name} is right for {rate.count} of {plural(rate.total, 'photo')}" for name, rate in rates) + "."


def _headline_of(model):
    rates = model["rates"]
    followed = max(rates.pot, rates.plant, key=lambda rate: rate.count)
    return f"{model['name']} follows {model['follows']} ({share(followed.share)})"


def _follows(rates):
    pot, plant = rates.pot.count, rates.plant.count
    return "both alike" if pot == plant else "the pot" if pot > plant else "the plant"


def _paints(plant_of_colour, classes):
    """Class → the colour of its pot, or a grey."""
    paint_of_plant = {plant: POT_COLOURS[colour] for colour, plant in plant_of_colour.items()}
    return {name: paint_of_plant.get(name, "#808080") for name in classes}


def _pot_cell(counts, plant, pots_plant, paints):
    """The predictions for a plant in pots of one colour; None if no photo shows that.

    counts: predicted class → count. pots_plant: the plant whose pots have the colour, if known.
    """
    if not any(counts.values()):
        return None
    most = max(counts, key=counts.get)
    nonzero = {name: count for name, count in counts.items() if count}
    return {
        "most": most,
        "count": counts[most],
        "total": sum(counts.values()),
        "follows": "own" if pots_plant in (None, plant) else {pots_plant: "pot", plant: "plant"}.get(most, "other"),
        "words": ", ".join(f"{titled(name)} {count}" for name, count in nonzero.items()),
        "stack": [(count, paints[name]) for name, count in nonzero.items()],
    }


# Heat on each part


def _heats(result):
    """(split, heat of every class); nothing if no photo has a mask."""
    if not any(prediction.area for audit in result.audits for prediction in audit.predictions):
        return []
    classes = result.audits[0].classes
    return [(split, [_heat_of(result, split, name) for name in classes]) for split in result.splits]


def _heat_of(result, split, class_name):
    heats = [
        (audit.model.name, statistics.heat_shares(statistics.select(audit.predictions, split, class_name)))
        for audit in result.audits
    ]
    area = next((_bar("area", heat.area) for _, heat in heats if heat.measured), None)
    return {"really": class_name, "area": area, "models": [_heat_bar(name, heat) for name, heat in heats]}


def _heat_bar(name, heat):
    """A bar, if anything was measured, and words about it."""
    left_out = _left_out(heat)
    if not heat.measured:
        return {"name": name, "bar": None, "words": left_out or "no photo"}
    hottest = ", ".join(f"{part} {heat.hottest[part]}" for part in PARTS if heat.hottest[part])
    words = f"pot {_times(heat, 'pot')}, plant {_times(heat, 'plant')}; hottest pixel of {heat.measured}: {hottest}"
    return {"name": name, "bar": _bar(name, heat.heat), "words": f"{words}; {left_out}" if left_out else words}


def _left_out(heat):
    counts = [(heat.empty, "empty map" if heat.empty == 1 else "empty maps"), (heat.unmasked, "without a mask")]
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def _times(heat, part):
    ratio = heat.ratio(part)
    return share(heat.heat[part]) + (f" ({ratio:.1f} ×)" if ratio is not None else "")


def _bar(name, shares):
    words = ", ".join(f"{part} {share(shares[part])}" for part in PARTS)
    return {"name": name, "words": words, "parts": [(part, shares[part]) for part in PARTS]}


# Pictures


def _means(audit, view):
    return [_mean(name, mean, view) for name, mean in audit.means.items()]


def _mean(class_name, mean, view):
    words = f"{titled(class_name)}: {plural(mean.photos, 'photo')}, {mean.empty} empty, {peak(mean.heat.max())}"
    height, width = mean.heat.shape
    everything = Box(0, 0, width, height)
    frame = Frame(np.empty((height, width, 3), np.uint8), everything, everything, width / height, "")
    picture = _tile(coloured(ground_of(frame, View(base="none")), mean.heat, view))
    return {"picture": picture, "alt": f"mean heatmap, {words}", "words": words, "key": "", "link": ""}


def _gallery(audit, view, linked):
    """(title, photos) for each class and each rule."""
    rules = {"most confident mistakes": audit.worst, "random": audit.random}
    return [
        (f"{titled(name)}: {rule}", [_instance(audit, prediction, view, linked) for prediction in chosen[name]])
        for name in audit.classes
        for rule, chosen in rules.items()
    ]


def _instance(audit, prediction, view, linked):
    example, explained = prediction.example, audit.shown[prediction.example.key]
    mark = "✓" if prediction.correct else "✗"
    empty = ", no positive evidence" if prediction.empty else ""
    words = f"{mark} {titled(prediction.predicted)}, {percent(prediction.probability)}{empty}"
    return {
        "picture": _tile(coloured(ground_of(explained.frame, View(base="photo")), explained.heat, view)),
        "alt": f"{example.key}, really {titled(example.really)}, {audit.model.name} says {words}",
        "words": words,
        "key": example.key,
        "link": query(Link(example.key, View(audit.model.name, colormap=view.colormap))) if linked else "",
    }


def _tile(picture):
    """As large as fits into a square of TILE, its proportions kept."""
    height, width = (max(1, round(side * TILE / max(picture.shape[:2]))) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
