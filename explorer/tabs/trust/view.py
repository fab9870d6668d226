"""What the tab Trust shows: a verdict first, the pictures and numbers behind it below."""

from dataclasses import dataclass

import numpy as np

from explorer.explanation.grid import coloured, ground_of
from explorer.rendering.templates import render
from explorer.rendering.wording import duration, peak, percent, share
from explorer.settings import View
from gradcam import METHODS, peaks

from .checks import Checks, Measured
from .methods import BLUR, CURVES, DRAWS, EDGES, MARGIN, SPAN, STEPS, Comparison, Row
from .sanity_check import DRAWS as WEIGHT_DRAWS
from .sanity_check import GONE, SAME
from .training_seeds import ALIKE, DIFFERENT

TEMPLATE = "trust/template.html"
MARKS = {  # the rest stays neutral
    **dict.fromkeys(("better", "passes"), "good"),
    **dict.fromkeys(("no better", "fails", "doubtful"), "bad"),
}

RULES = f"""
**Insertion and deletion.** The hottest pixels are put back into a photo blurred beyond shapes (a Gaussian of
{BLUR:.0f} pixels), or blacked out of the whole one, a tenth at a time ({STEPS} steps), while the probability of the
class is watched. The number is the area under that curve: of insertion more is better, of deletion less.
A curve is used only if the class loses at least {SPAN} of probability over it, and random maps leave room to be better.

**Better than random** means ahead of the best of {DRAWS} maps of seeded noise by at least {MARGIN} on every used curve;
*partly*, on one of two. The photo's bare edges are the second yardstick: a map that does no better than they do may
have found them without asking the model.

**Sanity check** (Adebayo et al. 2018, arXiv:1810.03292). The layers' weights are drawn anew, from the answer down to
the photo, {WEIGHT_DRAWS} times for methods of one pass and once for the others. The map *fails* if, with every layer
drawn anew, its rank correlation with the trained one is at least {SAME} in every draw; it is *doubtful* if one draw
reaches that or their mean is at least {GONE}. SSIM is shown and not judged: maps that are mostly empty are similar for
that alone.

**Seeds.** Maps of two networks are called alike from a mean rank correlation of {ALIKE}, different below {DIFFERENT}.

All of it is about this photo, this class and this layer. It cannot tell that a map is right: only that it beats chance,
or fails to.
"""


@dataclass(frozen=True)
class Figure:
    """A map with what is said of it."""

    picture: np.ndarray | None  # None: there is no map
    alt: str
    name: str
    lines: tuple[str, ...]


def methods(measured: Measured, view: View) -> str:
    """The table of methods and yardsticks; the method of the view is marked."""
    comparison = measured.comparison
    subject = comparison.subject
    ground, covers = ground_of(subject.explained.photo, view), comparison.covers
    rows = [_method(comparison, row, _picture(ground, row.heat, view), covers) for row in comparison.rows]
    return render(
        TEMPLATE, "methods", _asked(subject), _summary(comparison), covers, rows, view.method, subject.explained.note
    )


def waiting() -> str:
    """In place of the table until it is there."""
    return render(TEMPLATE, "waiting")


def sanity(checks: Checks, view: View) -> str:
    """The verdict on the method, and its map while the model forgets."""
    trial, subject = checks.trial, checks.subject
    ground = ground_of(subject.explained.photo, view)
    figures = [_step(trial, step, _picture(ground, heat, view)) for step, heat in zip(trial.steps, trial.maps)]
    verdict = _mark(trial.word), trial.sentence
    return render(TEMPLATE, "sanity", trial.method, _asked(subject), *verdict, figures, subject.explained.note)


def seeds(checks: Checks, view: View) -> str:
    """The maps of networks trained alike but for their seed."""
    family, ground = checks.family, ground_of(checks.subject.explained.photo, view)
    figures = [_sibling(member, _picture(ground, member.heat, view)) for member in family.members]
    return render(TEMPLATE, "seeds", checks.trial.method, _asked(checks.subject), family.sentence, figures)


def costs(measured: Measured, view: View) -> str:
    """Four ways of making a heatmap, and what each took."""
    subject, first = measured.comparison.subject, measured.ways[0].cost
    ground = ground_of(subject.explained.photo, view)
    figures = [_way(way, _picture(ground, way.heat, view), first) for way in measured.ways]
    return render(TEMPLATE, "costs", _asked(subject), measured.cheapest, figures)


def _asked(subject):
    return f"{subject.target.capitalize()} at {subject.column}"


def _mark(word):
    return MARKS.get(word, "open")


def _summary(comparison: Comparison):
    """How many methods beat chance, and what cannot be told."""
    if comparison.ends is None:
        return comparison.subject.unmeasurable
    words = [comparison.verdict(row).word for row in comparison.rows if not row.yardstick]
    judged = [word for word in words if word in ("better", "partly", "no better")]
    said = []
    if judged:
        better = f"{judged.count('better')} of {len(judged)} maps that could be judged"
        said.append(f"{better} find what the model needs better than random maps do")
    else:
        said.append("No map can be judged here")
    said += [reason for reason in map(comparison.mute, CURVES) if reason]
    return "; ".join(said) + "."


def _method(comparison, row: Row, picture, parts):
    verdict = comparison.verdict(row)
    return {
        "name": row.name,
        "source": _source(row.name),
        "picture": picture,
        "measured": "no units" if row.yardstick else _peak(row.heat),
        "cost": row.cost,
        "areas": [_area(comparison, row, curve) for curve in CURVES],
        "shares": [(part, row.shares.get(part)) for part in parts],
        "mark": _mark(verdict.word),
        "sentence": verdict.sentence,
    }


def _source(name):
    if name in METHODS:
        return METHODS[name].source.split(",")[0]
    return "the photo only" if name == EDGES else f"mean of {DRAWS}"


def _area(comparison, row, curve):
    """The area under one curve. luck: of the random maps, the smallest and the largest."""
    drawn = row.areas is not None and row.yardstick and row.name != EDGES
    return {
        "curve": curve,
        "mean": row.areas and getattr(row.areas, curve),
        "luck": comparison.luck(curve) if drawn else None,
        "mute": curve not in comparison.telling,
    }


def _step(trial, step, picture):
    forgotten = f"+ {step.randomised}" if step.randomised else "trained"
    return Figure(picture, f"{trial.method}, {forgotten}", forgotten, _similar(step))


def _similar(step):
    if not step.randomised:
        return ("forgets, one by one:",)
    if step.state != "compared":
        return ("no positive evidence" if step.state == "empty" else step.state,)
    return f"rank correlation {step.rank_correlation:.2f}", f"SSIM {step.similarity:.2f}"


def _sibling(member, picture):
    name = f"seed {member.seed}{' (speaking)' if member.shipped else ''}"
    if member.probability is None:
        answer = f"{member.says} {member.value:+.2f}"
    else:
        answer = f"{member.says.capitalize()}, {percent(member.probability)}"
    found = _peak(member.heat) or "the method does not apply"
    right = (f"test {share(member.accuracy['test'])} right",) if "test" in member.accuracy else ()
    return Figure(picture, f"{name}: {answer}, {found}", name, (answer, found, *right))


def _way(way, picture, first):
    if way.missing or way.cost is None:
        return Figure(picture, way.name, way.name, (way.how, way.missing))
    passes = f"{way.cost.forward} forward" + (f", {way.cost.backward} backward" if way.cost.backward else "")
    times = f" = {way.cost.ms / first.ms:.1f} × Grad-CAM" if first and way.cost is not first else ""
    lines = way.how, f"{passes}: {duration(way.cost.ms)}{times}", _peak(way.heat)
    return Figure(picture, f"{way.name}, {lines[-1]}", way.name, lines)


def _picture(ground, heat, view):
    """The map over what lies under it; None where there is no map."""
    return None if heat is None else coloured(ground, heat, view)


def _peak(heat):
    return "" if heat is None else peak(peaks(heat).item())
