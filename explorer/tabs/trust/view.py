"""The tab Trust as HTML: a verdict first, the pictures and numbers behind it below."""

from dataclasses import dataclass

import numpy as np

from explorer.explanation.grid import coloured, ground_of
from explorer.rendering.templates import render
from explorer.rendering.wording import duration, peak, percent, plural, share, titled
from explorer.settings import View
from gradcam import METHODS, peaks

from .checks import Checks, Measured
from .methods import BLUR, CURVES, DRAWS, DROP, EDGES, MARGIN, STEPS, Comparison, Row
from .sanity_check import DRAWS as WEIGHT_DRAWS
from .sanity_check import GONE, MOST_STEPS, SAME
from .training_seeds import ALIKE, DIFFERENT
from .verdicts import sanity_sentence, verdict

TEMPLATE = "trust/template.html"
MARKS = {  # the others are neutral
    **dict.fromkeys(("better", "passes"), "good"),
    **dict.fromkeys(("no better", "fails", "doubtful"), "bad"),
}

RULES = f"""
**Insertion and deletion.** The hottest pixels are put back into a photo blurred beyond shapes (a Gaussian of
{BLUR:.0f} pixels), or blacked out of the whole one, a tenth at a time ({STEPS} steps), while the probability of the
class is watched. The number is the area under that curve: of insertion more is better, of deletion less.
A curve is used only if the class loses at least {DROP} of probability over it, and random maps leave room to be better.

**Better than random** means ahead of the best of {DRAWS} maps of seeded noise by at least {MARGIN} on every used curve;
*partly*, on one of two. The photo's bare edges are the second yardstick: a map that beats chance, but these on none of
the used curves, is *no better than edges*, since they were found without asking the model.

**Sanity check** (Adebayo et al. 2018, arXiv:1810.03292). The layers' weights are drawn anew, from the answer down to
the photo, one by one, in a deep network in at most {MOST_STEPS} groups, {WEIGHT_DRAWS} times for methods of one pass
and once for the others. The map *fails* if, with every layer
drawn anew, its rank correlation with the trained one is at least {SAME} in every draw; it is *doubtful* if one draw
reaches that or their mean is at least {GONE}. It passes only *in part* if it does not notice the topmost layers: at
least {SAME} in every draw, or {GONE} on average after two or more of them. SSIM is shown and not judged: maps that are
mostly empty are similar for that alone.

**Seeds.** Maps of two networks are called alike from a mean rank correlation of {ALIKE}, different below {DIFFERENT}.

All of it is about this photo, this class and this layer. It cannot tell that a map is right: only that it beats chance,
or fails to.
"""


@dataclass(frozen=True)
class Figure:
    """A map with its caption."""

    picture: np.ndarray | None  # None: there is no map
    alt: str
    name: str
    lines: tuple[str, ...]


def methods(measured: Measured, view: View) -> str:
    """The table of methods and yardsticks; the method of the view is marked."""
    comparison, explained = measured.comparison, measured.comparison.tested.explained
    ground, areas = ground_of(explained.frame, view), comparison.part_areas
    curves = comparison.informative or CURVES  # one that cannot tell is named above the table, and not in it
    rows = [_method(comparison, row, _picture(ground, row.heat, view), areas, curves) for row in comparison.rows]
    heading, summary = _heading(comparison.tested), _summary(comparison)
    return render(TEMPLATE, "methods", heading, summary, curves, areas, rows, view.method, explained.note)


def beforehand() -> str:
    """That the checks were not computed now, and a button to compute them."""
    return render(TEMPLATE, "beforehand")


def waiting() -> str:
    """In place of the table until it is measured."""
    return render(TEMPLATE, "waiting")


def sanity(checks: Checks, view: View) -> str:
    """The verdict on the method, and its map while the model is randomised."""
    sanity, explained = checks.sanity, checks.tested.explained
    ground = ground_of(explained.frame, view)
    figures = [_step(sanity, step, _picture(ground, heat, view)) for step, heat in zip(sanity.steps, sanity.maps)]
    said = _mark(sanity.word), sanity_sentence(sanity, checks.tested)
    return render(TEMPLATE, "sanity", sanity.method, _heading(checks.tested), *said, figures, explained.note)


def seeds(checks: Checks, view: View) -> str:
    """The maps of networks trained alike but for their seed."""
    ground = ground_of(checks.tested.explained.frame, view)
    figures = [_seed(network, _picture(ground, network.heat, view)) for network in checks.seeds.networks]
    heading, sentence = _heading(checks.tested), checks.seeds.sentence
    return render(TEMPLATE, "seeds", checks.sanity.method, heading, sentence, figures)


def costs(measured: Measured, view: View) -> str:
    """Four ways of computing a heatmap, and the cost of each."""
    tested, first = measured.comparison.tested, measured.costs[0].cost
    ground = ground_of(tested.explained.frame, view)
    figures = [_cost(row, _picture(ground, row.heat, view), first) for row in measured.costs]
    return render(TEMPLATE, "costs", _heading(tested), measured.cheapest, figures)


def _heading(tested):
    return f"{titled(tested.target)} at {tested.column}"


def _mark(word):
    return MARKS.get(word, "open")


def _summary(comparison: Comparison):
    """How many methods beat chance, and which curves are not used."""
    if comparison.ends is None:
        return comparison.tested.unmeasurable
    words = [comparison.verdict(row).word for row in comparison.rows if not row.yardstick]
    judged = [word for word in words if word in ("better", "partly", "no better", "no better than edges")]
    sentences = []
    if judged:
        better = judged.count("better")
        maps = f"{better} of {plural(len(judged), 'map')} that could be judged"
        find = "finds" if better == 1 else "find"
        sentences.append(f"{maps} {find} what the model needs better than random maps do")
    else:
        sentences.append("No map can be judged here")
    sentences += [reason for reason in map(comparison.why_uninformative, CURVES) if reason]
    return "; ".join(sentences) + "."


def _method(comparison, row: Row, picture, parts, curves):
    said = verdict(comparison, row)
    return {
        "name": row.name,
        "source": _source(row.name),
        "picture": picture,
        "measured": "no units" if row.yardstick else _peak(row.heat),
        "cost": row.cost,
        "areas": [_area(comparison, row, curve) for curve in curves],
        "shares": [(part, row.shares.get(part)) for part in parts],
        "mark": _mark(said.word),
        "sentence": said.sentence,
    }


def _source(name):
    if name in METHODS:
        return METHODS[name].source.split(",")[0]
    return "the photo only" if name == EDGES else f"mean of {DRAWS}"


def _area(comparison, row, curve):
    """The area under one curve. chance: of the random maps, the smallest and the largest; best_random: the better."""
    random = row.areas is not None and row.yardstick and row.name != EDGES
    return {
        "curve": curve,
        "mean": row.areas and getattr(row.areas, curve),
        "chance": comparison.chance(curve) if random else None,
        "best_random": comparison.chance(curve)[curve == "insertion"] if comparison.draws else None,
        "unused": curve not in comparison.informative,
    }


def _step(sanity, step, picture):
    name = f"+ {step.randomised}" if step.randomised else "trained"
    return Figure(picture, f"{sanity.method}, {name}", name, _similarity(step))


def _similarity(step):
    if not step.randomised:
        return ("forgets, one by one:",)
    if step.state != "compared":
        return ("no positive evidence" if step.state == "empty" else step.state,)
    return f"rank correlation {step.rank_correlation:.2f}", f"SSIM {step.similarity:.2f}"


def _seed(network, picture):
    name = f"seed {network.seed}{' (speaking)' if network.shipped else ''}"
    if network.probability is None:
        answer = f"{network.predicted} {network.value:+.2f}"
    else:
        answer = f"{titled(network.predicted)}, {percent(network.probability)}"
    measured = _peak(network.heat) or "the method does not apply"
    accuracy = (f"test {share(network.accuracy['test'])} right",) if "test" in network.accuracy else ()
    return Figure(picture, f"{name}: {answer}, {measured}", name, (answer, measured, *accuracy))


def _cost(row, picture, first):
    if row.missing or row.cost is None:
        return Figure(picture, row.name, row.name, (row.how, row.missing))
    passes = f"{row.cost.forward} forward" + (f", {row.cost.backward} backward" if row.cost.backward else "")
    times = f" = {row.cost.ms / first.ms:.1f} × Grad-CAM" if first and row.cost is not first else ""
    lines = row.how, f"{passes}: {duration(row.cost.ms)}{times}", _peak(row.heat)
    return Figure(picture, f"{row.name}, {lines[-1]}", row.name, lines)


def _picture(ground, heat, view):
    """The map over the ground; None if there is no map."""
    return None if heat is None else coloured(ground, heat, view)


def _peak(heat):
    return "" if heat is None else peak(peaks(heat).item())
