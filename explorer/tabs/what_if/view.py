"""The tab What if? as HTML: the answer in words, the photo before and after, the logits, the heat, every colour, the drawing pad."""

import hashlib
from html import escape

import numpy as np

from explorer.explanation.grid import Cell
from explorer.explanation.service import MIXTURE, Study
from explorer.photos.edits import POT_COLOURS
from explorer.rendering.images import data_uri
from explorer.rendering.wording import percent
from gradcam import colour_table

from .intervention import Experiment, Painted

EDIT_WORDS = {"repaint": "repainted {colour}", "blur": "blurred", "fill": "filled with the mean of the rest"}
CAUTION = "An edited photo may be unlike any that the model has seen. Its answer tells what the model reacts to, not what the plant is."
STEADY = 0.05  # a peak that moved by less than this share is called about the same


def result(experiment: Experiment, cells: tuple[Cell, Cell], paints: tuple[Painted, ...], colormap: str) -> str:
    """Everything that follows from one experiment, top down: words, photos, logits, heat, every colour."""
    return (
        f'<div class="what-if">{_verdict(experiment)}'
        f'<div class="evidence">{_curtain(experiment)}{_logits(experiment)}</div>'
        f"{_heat(experiment, cells, colormap)}{_row(experiment, paints)}</div>"
    )


def pad(study: Study) -> str:
    """The photo to draw on. The drawing carries the photo's name, so that it is never taken for one on another photo."""
    side = study.model.size
    return (
        f'<div class="pad"><div class="paper"><img alt="" src="{data_uri(study.photo)}">'
        f'<canvas width="{side}" height="{side}" tabindex="0" data-photo="{name_of(study.photo)}" role="application" '
        'aria-label="Draw over what shall change: with mouse, pen or finger, or with the arrow keys while Space is held down"></canvas>'
        '<i class="tip" hidden></i></div>'
        '<div class="tools"><label>Brush <input type="range" min="4" max="64" value="20" aria-label="Width of the brush"></label>'
        '<button type="button" data-do="undo">Undo</button><button type="button" data-do="clear">Start again</button></div></div>'
    )


def name_of(photo: np.ndarray) -> str:
    """A short name for what is in a photo."""
    return hashlib.sha256(photo.tobytes()).hexdigest()[:16]


def edited(experiment: Experiment) -> str:
    """What was done, for the middle of a sentence: "the pot repainted red"."""
    asked = experiment.question
    words = {
        "hottest": f"the hottest {100 * experiment.share:.3g} % for {asked.target.capitalize()} at {asked.layer}",
        "brush": "the part drawn over",
    }
    return f"{words.get(asked.region, f'the {asked.region}')} {EDIT_WORDS[asked.edit].format(colour=asked.colour)}"


def answer(model, logits: list[float]) -> str:
    """What a model says, in words: "Baya, 96.0 %", of a number its value."""
    if model.answers == "number":
        return f"{model.classes[0]} {logits[0]:+.3f}"
    scores = np.exp(np.array(logits) - max(logits))
    said = int(scores.argmax())
    return f"{model.classes[said].capitalize()}, {percent(scores[said] / scores.sum())}"


def peak_words(experiment: Experiment) -> str:
    """How the strongest evidence moved, in a sentence."""
    before, after = experiment.peaks
    whose = escape(experiment.question.target)
    whose = f"The peak for {whose if whose == MIXTURE else whose.capitalize()}"
    if before <= 0 and after <= 0:
        return f"{whose} is zero before and after: neither map holds evidence for it."
    if after <= 0:
        return f"{whose} falls to zero: no evidence for it is left."
    if before <= 0:
        return f"{whose} rises from zero: there was no evidence for it before."
    ratio = after / before
    if abs(ratio - 1) < STEADY:
        return f"{whose} stays about the same."
    return (
        f"{whose} falls to {ratio:.2g} times what it was."
        if ratio < 1
        else f"{whose} rises to {ratio:.2g} times what it was."
    )


def _verdict(experiment):
    model = experiment.before.model
    before, after = (answer(model, study.logits) for study in (experiment.before, experiment.after))
    stays = model.answers == "class" and experiment.before.predicted == experiment.after.predicted
    note = f'<p class="note">{escape(experiment.note)}</p>' if experiment.note else ""
    return (
        f'<div class="verdict" role="status"><div><p>The model said <strong>{escape(before)}</strong>. With {escape(edited(experiment))} '
        f"it {'still ' if stays else ''}says <strong>{escape(after)}</strong>.</p>"
        f'<p class="note">{_few(experiment.changed)} of the pixels changed. {CAUTION}</p>{note}</div></div>'
    )


def _curtain(experiment):
    """Both photos, one over the other, with a curtain between them that a range moves: by mouse, finger and arrow keys."""
    before, after = (data_uri(study.photo) for study in (experiment.before, experiment.after))
    words = escape(edited(experiment))
    return (
        '<figure class="curtain" style="--cut: 50%"><div class="stage">'
        f'<img alt="the photo before" src="{before}"><img class="after" alt="the photo after: {words}" src="{after}">'
        '<i class="edge"></i><input type="range" min="0" max="100" value="50" aria-label="Before and after: how much of the photo shows as it was"></div>'
        "<figcaption><span>before</span><span>after</span></figcaption></figure>"
    )


def _logits(experiment):
    before, after = (study.report() for study in (experiment.before, experiment.after))
    number = experiment.before.model.answers == "number"
    rows = "".join(
        f'<tr><th scope="row">{escape(one["name"].capitalize())}</th>'
        f"{_logit(one, one['name'] == before['predicted'] and not number)}{_logit(other, other['name'] == after['predicted'] and not number)}"
        f'<td class="change">{other["logit"] - one["logit"]:+.2f}</td></tr>'
        for one, other in zip(before["classes"], after["classes"])
    )
    caption = "What the model answers" if number else "Logits, and probabilities under them"
    return (
        f'<table class="logits"><caption>{caption}</caption><thead><tr><td></td><th scope="col">before</th><th scope="col">after</th>'
        f'<th scope="col">change</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _logit(entry, said):
    chance = "" if entry["probability"] is None else f"<small>{percent(entry['probability'])}</small>"
    return f"<td{' class=said' if said else ''}>{entry['logit']:+.2f}{chance}</td>"


def _heat(experiment, cells, colormap):
    target, layer = escape(cells[0].target.capitalize()), escape(cells[0].column)
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in colour_table(colormap)[::15])
    top = max(experiment.peaks)
    hottest = f"{top:.2g}".replace("e-0", "e-") if top > 0 else "nothing"
    return (
        f"<h4>Evidence for {target} at {layer}, before and after, on one scale</h4>"
        f'<div class="pair">{"".join(_map(cell, when) for cell, when in zip(cells, ("before", "after")))}</div>'
        f'<div class="colour-bar"><span>none</span><span class="ramp" style="background:linear-gradient(to right, {stops})"></span>'
        f"<span>{hottest}</span><p>{peak_words(experiment)} Class and layer are those chosen beside the photo.</p></div>"
    )


def _map(cell, when):
    caption = escape(f"{when.capitalize()}: {cell.caption}")
    name = escape(f"{cell.target}-{cell.column}-{when}")
    return (
        f'<figure><button type="button" class="cell" data-caption="{caption}" data-name="{name}" aria-label="Enlarge: {caption}">'
        f'<img alt="{caption}" src="{data_uri(cell.picture)}"></button><figcaption>{when}: {escape(cell.measured)}</figcaption></figure>'
    )


def _row(experiment, paints):
    before = experiment.before
    title = "Paint every pot" if experiment.question.region == "pot" else "The same part in each pot's colour"
    pictures = "".join(_painted(before.model, paint, paints[0]) for paint in paints)
    return f'<h4>{title}: one photo, and all that differs is a colour</h4><div class="paints">{pictures}</div>'


def _painted(model, paint, original):
    said = answer(model, paint.logits)
    unbroken = escape(said).replace(" %", "&nbsp;%")  # the columns are narrow
    colour = paint.colour or "as it is"
    other = model.answers == "class" and np.argmax(paint.logits) != np.argmax(original.logits)
    return (
        f'<figure{" class=other" if other else ""}><img alt="{colour}: the model says {escape(said)}" src="{data_uri(paint.photo)}">'
        f"<figcaption>{_dot(paint.colour)}{colour}<b>{unbroken}</b></figcaption></figure>"
    )


def _dot(colour):
    return f'<i class="dot" style="background:{POT_COLOURS[colour]}"></i>' if colour else ""


def _few(share):
    return "None" if share == 0 else "Under 0.1 %" if share < 0.001 else f"{share:.1%}".replace("%", " %")
