"""The Trust tab as HTML: a verdict first, the pictures and numbers behind it below."""

from html import escape

import numpy as np

from explorer.explanation.grid import BASES
from explorer.rendering.images import data_uri
from explorer.rendering.wording import percent
from gradcam import METHODS, overlay, peaks

from .checks import Checks, Measured
from .methods import BLUR, CURVES, DRAWS, EDGES, MARGIN, SPAN, STEPS, Comparison, Row
from .sanity_check import DRAWS as WEIGHT_DRAWS
from .sanity_check import GONE, SAME
from .training_seeds import ALIKE, DIFFERENT

MARKS = {"better": "good", "passes": "good", "no better": "bad", "fails": "bad", "doubtful": "bad"}  # the rest stays neutral
NO_NUMBER = "–"

RULES = f"""
**Insertion and deletion.** The hottest pixels are put back into a photo blurred beyond shapes (a Gaussian of {BLUR:.0f} pixels), or blacked out of the whole one, a
tenth at a time ({STEPS} steps), while the probability of the class is watched. The number is the area under that curve: of insertion more is better, of deletion less.
A curve is used only if the class loses at least {SPAN} of probability over it, and random maps leave room to be better.

**Better than random** means ahead of the best of {DRAWS} maps of seeded noise by at least {MARGIN} on every used curve; *partly*, on one of two.
The photo's bare edges are the second yardstick: a map that does no better than they do may have found them without asking the model.

**Sanity check** (Adebayo et al. 2018, arXiv:1810.03292). The layers' weights are drawn anew, from the answer down to the photo, {WEIGHT_DRAWS} times for methods of one pass and
once for the others. The map *fails* if, with every layer drawn anew, its rank correlation with the trained one is at least {SAME} in every draw; it is *doubtful* if one draw
reaches that or their mean is at least {GONE}. SSIM is shown and not judged: maps that are mostly empty are similar for that alone.

**Seeds.** Maps of two networks are called alike from a mean rank correlation of {ALIKE}, different below {DIFFERENT}.

All of it is about this photo, this class and this layer. It cannot tell that a map is right: only that it beats chance, or fails to.
"""


def methods(measured: Measured, base: str, colormap: str, chosen: str) -> str:
    """The table of methods and yardsticks. chosen: the method on the desk, which is marked."""
    comparison = measured.comparison
    ground = _ground(comparison.subject.study.photo, base)
    rows = "".join(_method(comparison, row, ground, colormap, row.name == chosen) for row in comparison.rows)
    parts = "".join(f'<th scope="col">on the {name}<small>{_whole(area)} of the photo</small></th>' for name, area in comparison.covers.items())
    return (
        f"<section><h3>Every method on this photo: {_asked(comparison.subject)}</h3><p>{escape(_summary(comparison))}</p>"
        f'<table class="trust-methods"><thead><tr><th scope="col">map</th><th scope="col">method</th><th scope="col">cost</th>'
        f'<th scope="col">insertion<small>more is better</small></th><th scope="col">deletion<small>less is better</small></th>{parts}'
        f'<th scope="col">verdict</th></tr></thead><tbody>{rows}</tbody></table>{_noted(comparison.subject)}</section>'
    )


def _noted(subject):
    return f'<p class="note">{escape(subject.study.note)}</p>' if subject.study.note else ""


def waiting() -> str:
    """In place of the table until it is there."""
    return '<p class="trust-waiting" role="status">Measuring every method on this photo; this takes some seconds …</p>'


def sanity(checks: Checks, base: str, colormap: str) -> str:
    trial, photo = checks.trial, checks.subject.study.photo
    ground = _ground(photo, base)
    figures = "".join(
        _figure(
            _picture(ground, heat, colormap),
            f"{trial.method}, {_forgotten(step.randomised)}",
            f"<b>{escape(_forgotten(step.randomised))}</b>{_similar(step)}",
        )
        for step, heat in zip(trial.steps, trial.maps)
    )
    note = "<p class=\"note\">Each picture has forgotten one layer more; its colours are scaled by its own peak. Numbers: first draw of new weights.</p>" if figures else ""
    return (
        f"<section><h3>Does the map need what the model learnt? {escape(trial.method)}, {_asked(checks.subject)}</h3>"
        f'{_sentence(trial.word, trial.sentence)}<div class="trust-row">{figures}</div>{note}{_noted(checks.subject)}</section>'
    )


def seeds(checks: Checks, base: str, colormap: str) -> str:
    family, ground = checks.family, _ground(checks.subject.study.photo, base)
    figures = "".join(_sibling(member, ground, colormap) for member in family.members)
    return (
        f"<section><h3>Trained again with another seed: {escape(checks.trial.method)}, {_asked(checks.subject)}</h3>"
        f'<p>{escape(family.sentence)}</p><div class="trust-row">{figures}</div></section>'
    )


def costs(measured: Measured, base: str, colormap: str) -> str:
    subject = measured.comparison.subject
    ground, first = _ground(subject.study.photo, base), measured.ways[0].cost
    figures = "".join(_way(way, ground, colormap, first) for way in measured.ways)
    return (
        f"<section><h3>What a heatmap costs: {_asked(subject)}</h3><p>{escape(measured.cheapest)}</p>"
        f'<div class="trust-row trust-ways">{figures}</div></section>'
    )


def _asked(subject):
    return f"{escape(subject.target.capitalize())} at {escape(subject.column)}"


def _summary(comparison: Comparison):
    """How many methods beat chance, and what cannot be told."""
    if comparison.ends is None:
        return comparison.subject.unmeasurable
    words = [comparison.verdict(row).word for row in comparison.rows if not row.yardstick]
    judged = [word for word in words if word in ("better", "partly", "no better")]
    said = []
    if judged:
        said.append(f"{judged.count('better')} of {len(judged)} maps that could be judged find what the model needs better than random maps do")
    else:
        said.append("No map can be judged here")
    said += [reason for reason in map(comparison.mute, CURVES) if reason]
    return "; ".join(said) + "."


def _method(comparison, row: Row, ground, colormap, chosen):
    verdict = comparison.verdict(row)
    figures = "".join(
        f'<td class="number{"" if curve in comparison.telling else " mute"}" data-name="{curve}">{_area(comparison, row, curve)}{"" if curve in comparison.telling or row.areas is None else "<small>not used</small>"}</td>' for curve in CURVES
    )
    shares = "".join(f'<td class="number" data-name="on the {name}">{_share(row, name)}</td>' for name in comparison.covers)
    marked = ' class="predicted"' if chosen else ""
    return (
        f"<tr{marked}><td>{_map(row, ground, colormap)}</td>"
        f'<th scope="row"><b>{escape(row.name)}</b><small>{escape(_source(row.name))}</small></th><td class="number" data-name="cost">{_cost(row.cost)}</td>'
        f'{figures}{shares}<td class="says">{_sentence(verdict.word, verdict.sentence)}</td></tr>'
    )


def _map(row, ground, colormap):
    if row.heat is None:
        return '<span class="trust-none">no map</span>'
    picture = _picture(ground, row.heat, colormap)
    words = "no units" if row.yardstick else _peak(row.heat)
    return _cell(picture, f"{row.name} · {words}", row.name) + f"<small>{escape(words)}</small>"


def _source(name):
    if name in METHODS:
        return METHODS[name].source.split(",")[0]
    return "the photo only" if name == EDGES else f"mean of {DRAWS}"


def _area(comparison, row, curve):
    if row.areas is None:
        return NO_NUMBER
    mean = f"{getattr(row.areas, curve):.2f}"
    if row.yardstick and row.name != EDGES:
        low, high = comparison.luck(curve)
        return f"{mean}<small>{low:.2f} to {high:.2f}</small>"
    return mean


def _share(row, name):
    return _whole(row.shares[name]) if name in row.shares else NO_NUMBER


def _whole(share):
    return f"{share:.0%}".replace("%", " %")


def _cost(cost):
    if cost is None:
        return NO_NUMBER
    back = f"<small>{cost.backward} backward</small>" if cost.backward else ""
    return f"{cost.forward} forward{back}<small>{_ms(cost.ms)}</small>"


def _passes(cost):
    return f"{cost.forward} forward" + (f", {cost.backward} backward" if cost.backward else "")


def _ms(taken):
    return f"{taken:.0f} ms" if taken < 1000 else f"{taken / 1000:.1f} s"


def _forgotten(layer):
    return f"+ {layer}" if layer else "trained"


def _similar(step):
    if not step.randomised:
        return "<small>forgets, one by one:</small>"
    if step.state != "compared":
        return f"<small>{'no positive evidence' if step.state == 'empty' else step.state}</small>"
    return f"<small>rank correlation {step.rank_correlation:.2f}</small><small>SSIM {step.similarity:.2f}</small>"


def _sibling(member, ground, colormap):
    picture = None if member.heat is None else _picture(ground, member.heat, colormap)
    answer = f"{member.says} {member.value:+.2f}" if member.probability is None else f"{member.says.capitalize()}, {percent(member.probability)}"
    words = "the method does not apply" if member.heat is None else _peak(member.heat)
    this = " (speaking)" if member.shipped else ""
    right = f"<small>test {_whole(member.accuracy['test'])} right</small>" if "test" in member.accuracy else ""
    name = f"seed {member.seed}{this}"
    return _figure(picture, f"{name}: {answer}, {words}", f"<b>{escape(name)}</b><small>{escape(answer)}</small><small>{escape(words)}</small>{right}")


def _way(way, ground, colormap, first):
    picture = None if way.heat is None else _picture(ground, way.heat, colormap)
    if way.missing or way.cost is None:
        return _figure(picture, way.name, f"<b>{escape(way.name)}</b><small>{escape(way.how)}</small><small>{escape(way.missing)}</small>")
    times = f" = {way.cost.ms / first.ms:.1f} × Grad-CAM" if first and way.cost is not first else ""
    words = f"{_passes(way.cost)}: {_ms(way.cost.ms)}{times}"
    return _figure(picture, f"{way.name}, {_peak(way.heat)}", f"<b>{escape(way.name)}</b><small>{escape(way.how)}</small><small>{escape(words)}</small><small>{_peak(way.heat)}</small>")


def _figure(picture, alt, caption):
    shown = '<span class="trust-none">no map</span>' if picture is None else _cell(picture, alt, alt)
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"


def _cell(picture, caption, name):
    """A picture that the lightbox enlarges; it belongs to no column of the grid."""
    caption, name = escape(caption), escape(name.replace(" ", "-"))
    return (
        f'<button type="button" class="cell" data-column="" data-caption="{caption}" data-name="{name}" aria-label="Enlarge: {caption}">'
        f'<img alt="{caption}" src="{data_uri(picture)}"></button>'
    )


def _picture(ground, heat, colormap):
    opacity, picture = ground
    return overlay(picture, heat, colormap, opacity)


def _ground(photo, base) -> tuple[float, np.ndarray]:
    """Opacity of the heat, and what lies under it. Raises ValueError for an unknown base."""
    if base not in BASES:
        raise ValueError(f"There is no base {base!r}; choose one of {', '.join(BASES)}.")
    opacity, picture = BASES[base]
    return opacity, picture(photo)


def _peak(heat):
    peak = peaks(heat).item()
    return f"peak {peak:.2g}".replace("e-0", "e-") if peak > 0 else "no positive evidence"


def _sentence(word, sentence):
    return f'<p class="trust-verdict {MARKS.get(word, "open")}">{escape(sentence)}</p>'
