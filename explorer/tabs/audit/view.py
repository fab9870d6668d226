"""The audit as HTML: on the page, and as a report that stands alone."""

from html import escape

import cv2
import numpy as np

from explorer.deep_links import View, query
from explorer.photos.edits import POT_COLOURS
from explorer.rendering.images import data_uri
from explorer.rendering.static import style
from explorer.rendering.wording import percent
from gradcam import overlay

from . import statistics as figures
from .audit import METHOD, RANDOM, WORST
from .store import Result

TILE = 160  # pixels of a photo in the gallery
NAMED = 8  # faults that are named on the page; the JSON names all


def shown(result: Result, colormap: str, linked: bool = True) -> str:
    """The whole audit. linked: a click on a photo opens it in Explain, which only the page can do."""
    sections = [
        _accuracies(result),
        _section("What was taken for what", "Rows: what the photo shows. Columns: what the model said.", _confusions(result)),
        _section("Every plant in every pot", _POTS, _pots(result)),
        _section("Where the heat lies", _HEAT, _heats(result)),
        _section("The mean heatmap of each plant", _MEAN, _means(result, colormap)),
        _section("Photos", f"Most confident mistakes: {WORST}. Random: {RANDOM}.", _galleries(result, colormap, linked)),
    ]
    note = f'<p class="note">{escape(result.note)}</p>' if result.note else ""
    return f'<div class="audit">{note}{"".join(sections)}</div>'


def invitation(photos: int, models: tuple[str, ...]) -> str:
    """What stands there before the first audit."""
    who = " and ".join(map(escape, models))
    return (
        f'<div class="audit"><p class="lead">One photo proves little. <b>Audit</b> asks {who} about all {photos} photos: how often right, '
        "where the heat lies, and what is said of every plant in every pot.</p></div>"
    )


def stopped() -> str:
    return '<div class="audit"><p class="lead" role="status">Stopped. What was finished is kept, so another audit goes on from there.</p></div>'


def document(result: Result, colormap: str) -> str:
    """One page of HTML that needs nothing beside it."""
    who = " and ".join(map(escape, result.question.models))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Audit of {who}</title><style>{_ALONE}{style('audit.css')}</style></head>"
        f"<body><h1>Audit of {who}</h1>{shown(result, colormap, linked=False)}{_provenance(result)}</body></html>"
    )


_POTS = (
    "Only the colour of the pot is changed, its light and shade stay, and the model is asked again. This tests the cause, where heat is only evidence. "
    "In a cell: what the model says most often, how often, and below it all answers in the colours of the pots they stand for."
)
_POTS_LEGEND = (
    '<p class="legend"><span><i class="swatch pots-owner"></i>mostly the pot’s owner</span>'
    '<span><i class="swatch plant-itself"></i>mostly the plant itself</span><span><i class="swatch own-colour"></i>its own colour</span></p>'
)
_HEAT = (
    "At the last convolution, for what the model said. If heat fell anywhere alike, each part would hold as much of it as of the photo: "
    "that is 1 ×. Means over photos; an empty map has no shares and is left out. The hottest pixel is the pointing game."
)
_MEAN = "The raw evidence of all photos of a plant, for what the model said of each, averaged and then drawn: strong maps count for more, empty ones for nothing."

_ALONE = (
    ":root{color-scheme:light dark;--body-text-color:light-dark(#1f2937,#f3f4f6);--background-fill-primary:light-dark(#fff,#111827);"
    "--background-fill-secondary:light-dark(#f3f4f6,#1f2937);--border-color-primary:light-dark(#d1d5db,#4b5563);--color-accent:#6366f1;"
    "--quiet:light-dark(#4b5563,#c3c8d1)}body{font:16px/1.45 system-ui,sans-serif;max-width:70rem;margin:auto;padding:1rem;"
    "color:var(--body-text-color);background:var(--background-fill-primary)}code{overflow-wrap:anywhere}"
)


def _section(title, words, body):
    return f'<section><h3>{title}</h3><p class="quiet">{words}</p>{body}</section>'


def _side_by_side(parts):
    return f'<div class="side-by-side">{"".join(parts)}</div>'


# How often right


def _accuracies(result):
    heads = "".join(f'<th scope="col">{split}<small>{photos} photos</small></th>' for split, photos in result.splits.items())
    body = "".join(
        f'<tr><th scope="row">{escape(audit.model.name)}</th>'
        + "".join(_accuracy(figures.accuracy(figures.of_split(audit.answers, split))) for split in result.splits)
        + "</tr>"
        for audit in result.audits
    )
    return f'<table class="accuracy"><thead><tr><th>right</th>{heads}</tr></thead><tbody>{body}</tbody></table>{_difference(result)}{_faults(result)}'


def _accuracy(rate):
    if not rate.of:
        return "<td>no photo</td>"
    low, high = rate.interval
    return (
        f"<td><b>{_share(rate.share, 1)}</b><small>{rate.count} of {rate.of}, 95 % interval {100 * low:.1f} to {_share(high, 1)}</small>"
        f'<span class="span" aria-hidden="true"><i style="left:{low:.2%};width:{high - low:.2%}"></i><em style="left:{rate.share:.2%}"></em></span></td>'
    )


def _difference(result):
    if len(result.audits) < 2:
        return ""
    told = figures.differences(*result.audits)
    one, other = (audit.model.name for audit in result.audits)
    return (
        f'<p class="quiet">Photo by photo: both right about {told["both"]}, only {escape(one)} about {told[one]}, '
        f"only {escape(other)} about {told[other]}, neither about {told['neither']}.</p>"
    )


def _faults(result):
    return _listed(result.unread, "could not be read and is left out", "could not be read and are left out") + _listed(
        result.misfits, "has a mask that cannot be used", "have masks that cannot be used"
    )


def _listed(faults, one, many):
    if not faults:
        return ""
    named = "; ".join(f"{escape(fault.key)} ({escape(fault.reason.rstrip('.'))})" for fault in faults[:NAMED])
    more = f"; and {len(faults) - NAMED} more, which the JSON names" if len(faults) > NAMED else ""
    count = f"1 photo {one}" if len(faults) == 1 else f"{len(faults)} photos {many}"
    return f'<p class="fault" role="status">{count}: {named}{more}.</p>'


def _confusions(result):
    return _side_by_side(
        _confusion(audit, split) for audit in result.audits for split in result.splits
    )


def _confusion(audit, split):
    classes = audit.model.classes
    counts = figures.confusion(figures.of_split(audit.answers, split), classes)
    heads = "".join(f'<th scope="col">{name.capitalize()}</th>' for name in classes)
    rows = "".join(
        f'<tr><th scope="row">{name.capitalize()}</th>{"".join(_count(count, sum(row), here == there) for there, count in enumerate(row))}</tr>'
        for here, (name, row) in enumerate(zip(classes, counts))
    )
    return (
        f'<table class="confusion"><caption>{escape(audit.model.name)}, {split}</caption>'
        f'<thead><tr><th class="corner">really ↓ said →</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _count(count, whole, right):
    share = count / whole if whole else 0
    return f'<td class="{"right" if right else "wrong"}{" none" if not count else ""}" style="--share:{0.75 * share:.0%}">{count}</td>'


# Whom it follows


def _pots(result):
    if not result.question.repaint:
        return '<p class="fault">Not asked for in this audit.</p>'
    if not any(result.repainted.values()):
        return '<p class="fault">No photo here has a mask that says where the pot is, so no pot can be repainted.</p>'
    return _POTS_LEGEND + _side_by_side(f"<div>{_followed(result, audit)}{_pot_table(result, audit)}</div>" for audit in result.audits)


def _followed(result, audit):
    name = escape(audit.model.name)
    told = figures.followed(result.repainted[audit.model.name], audit.answers, result.owners)
    if told is None:
        return f'<p class="lead"><b>{name}</b>: nobody wrote down whose pot has which colour, so the table says only what it said.</p>'
    follows = "the pot" if told.pot.count > told.plant.count else "the plant" if told.plant.count > told.pot.count else "both alike"
    return (
        f'<p class="lead"><b>{name} follows {follows}.</b> With a plant in another’s pot, {told.pot.of} times, it names the pot’s owner in '
        f"<b>{_share(told.pot.share)}</b>, the plant in <b>{_share(told.plant.share)}</b>, neither in {_share(told.neither.share)}.{_control(told.unchanged)}</p>"
    )


def _control(unchanged):
    if not unchanged.of:
        return ""
    return f" Control: repainted in its own colour, {unchanged.count} of {unchanged.of} answers stayed."


def _pot_table(result, audit):
    classes = audit.model.classes
    paint = _paint(result.owners, classes)
    heads = "".join(
        f'<th scope="col"><i class="swatch" style="background:{POT_COLOURS[colour]}"></i>{colour}<small>{_owner(result.owners.get(colour))}</small></th>'
        for colour in POT_COLOURS
    )
    rows = "".join(
        f'<tr><th scope="row">{really.capitalize()}</th>'
        + "".join(_pot(said, really, result.owners.get(colour), paint) for colour, said in row.items())
        + "</tr>"
        for really, row in figures.pots(result.repainted[audit.model.name], classes).items()
    )
    return (
        f'<table class="pots" aria-label="{escape(audit.model.name)}">'
        f'<thead><tr><th class="corner">plant ↓ pot →</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _owner(plant):
    return f"{plant.capitalize()}’s" if plant else ""


def _paint(owners, classes):
    """Class → the colour its pot has, or a grey."""
    known = {plant: POT_COLOURS[colour] for colour, plant in owners.items()}
    return {name: known.get(name, "#808080") for name in classes}


def _pot(said, really, owner, paint):
    whole = sum(said.values())
    if not whole:
        return "<td>–</td>"
    most = max(said, key=said.get)
    follows = "own" if owner in (None, really) else "pot" if most == owner else "plant" if most == really else "other"
    words = ", ".join(f"{name.capitalize()} {count}" for name, count in said.items() if count)
    bar = "".join(f'<i style="flex:{count};background:{paint[name]}"></i>' for name, count in said.items() if count)
    return (
        f'<td class="{follows}" title="{words}"><b>{most.capitalize()}</b><small>{said[most]} of {whole}</small>'
        f'<span class="stack" role="img" aria-label="{words}">{bar}</span></td>'
    )


# Where the heat lies


def _heats(result):
    if not any(found.area for audit in result.audits for found in audit.answers):
        return '<p class="fault">No photo here has a mask that says where pot and plant are, so no share of heat can be measured.</p>'
    legend = "".join(f'<span><i class="swatch {part}"></i>{part}</span>' for part in _ORDER)
    return f'<p class="legend">{legend}</p>{_side_by_side(_heat_of_split(result, split) for split in result.splits)}'


_ORDER = ("pot", "plant", "soil", "background")


def _heat_of_split(result, split):
    blocks = "".join(_heat_of_class(result, split, really) for really in result.audits[0].model.classes)
    return f'<div class="heats"><h4>{split}</h4>{blocks}</div>'


def _heat_of_class(result, split, really):
    heats = [(audit.model.name, figures.heat(figures.of_split(audit.answers, split, really))) for audit in result.audits]
    area = next((_bar("area", heat.area) for _, heat in heats if heat.measured), "")
    return f"<div><h5>{really.capitalize()}</h5>{area}{''.join(_heat_bar(name, heat) for name, heat in heats)}</div>"


def _heat_bar(name, heat):
    left_out = _left_out(heat)
    if not heat.measured:
        return f"<p><b>{escape(name)}</b>: {left_out or 'no photo'}.</p>"
    hottest = ", ".join(f"{part} {heat.hottest[part]}" for part in _ORDER if heat.hottest[part])
    return (
        f"{_bar(name, heat.heat)}<p>pot {_times(heat, 'pot')}, plant {_times(heat, 'plant')}; "
        f"hottest pixel of {heat.measured}: {hottest}{f'; {left_out}' if left_out else ''}</p>"
    )


def _left_out(heat):
    told = [(heat.empty, "empty map" if heat.empty == 1 else "empty maps"), (heat.unmasked, "without a mask")]
    return ", ".join(f"{count} {what}" for count, what in told if count)


def _times(heat, part):
    ratio = heat.ratio(part)
    return f"{_share(heat.heat[part])}" + (f" ({ratio:.1f} ×)" if ratio is not None else "")


def _bar(name, held):
    words = ", ".join(f"{part} {_share(held[part])}" for part in _ORDER)
    parts = "".join(f'<i class="{part}" style="flex:{held[part]:.4f}"></i>' for part in _ORDER)
    return f'<div class="heat"><small>{escape(name)}</small><span class="stack" role="img" title="{words}" aria-label="{escape(name)}: {words}">{parts}</span></div>'


# Pictures


def _means(result, colormap):
    return "".join(
        f'<h4>{escape(audit.model.name)}</h4><div class="tiles">{"".join(_mean(really, mean, colormap) for really, mean in audit.means.items())}</div>'
        for audit in result.audits
    )


def _mean(really, mean, colormap):
    words = f"{really.capitalize()}: {mean.photos} photos, {mean.empty} empty, peak {mean.heat.max():.2g}"
    drawn = overlay(np.full((*mean.heat.shape, 3), 255, np.uint8), mean.heat, colormap, opacity=1)
    return f'<figure><img alt="mean heatmap, {words}" src="{_tile(drawn)}"><figcaption>{words}</figcaption></figure>'


def _galleries(result, colormap, linked):
    return "".join(_gallery(audit, colormap, linked) for audit in result.audits)


def _gallery(audit, colormap, linked):
    blocks = "".join(
        f'<div class="instances"><h5>{really.capitalize()}: most confident mistakes</h5>{_tiles(audit, audit.worst[really], colormap, linked)}</div>'
        f'<div class="instances"><h5>{really.capitalize()}: random</h5>{_tiles(audit, audit.random[really], colormap, linked)}</div>'
        for really in audit.model.classes
    )
    return f"<h4>{escape(audit.model.name)}</h4>{_side_by_side([blocks])}"


def _tiles(audit, answers, colormap, linked):
    if not answers:
        return '<p class="quiet">none</p>'
    return f'<div class="tiles">{"".join(_instance(audit, found, colormap, linked) for found in answers)}</div>'


def _instance(audit, found, colormap, linked):
    example, sight = found.example, audit.sights[found.example.key]
    mark = "✓" if found.right else "✗"
    empty = ", no positive evidence" if found.empty else ""
    words = f"{mark} {found.said.capitalize()}, {percent(found.probability)}{empty}"
    alt = escape(f"{example.key}, really {example.really.capitalize()}, {audit.model.name} says {words}")
    picture = f'<img alt="{alt}" src="{_tile(overlay(sight.photo, sight.heat, colormap))}">'
    if linked:
        link = query(View(example=example.key, model=audit.model.name, colormap=colormap))
        picture = f'<a href="{escape(link)}" title="{escape(example.key)}: open in Explain">{picture}</a>'
    return f"<figure>{picture}<figcaption>{words}<small>{escape(example.key)}</small></figcaption></figure>"


def _tile(picture):
    return data_uri(cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA))


# What it was made from


def _provenance(result):
    models = "".join(
        f"<li>{escape(audit.model.name)}: weights from {escape(audit.model.origin)}, SHA-256 <code>{result.weights[audit.model.name] or 'unknown'}</code></li>"
        for audit in result.audits
    )
    return (
        f"<section><h3>Made from</h3><ul>{models}<li>photos {escape(result.origin)}; names, photos and masks together SHA-256 <code>{result.photos}</code></li>"
        f"<li>{METHOD} at the last convolution, for what the model said</li></ul><p>Heat is evidence, not proof; repainting tests the cause, with one colour for each pot.</p></section>"
    )


def _share(share, digits=0):
    return f"{100 * share:.{digits}f} %"
