"""HTML of the hue wheel: the photo to repaint, every hue's answer as words, numbers and a curve."""

import json

import numpy as np

from explorer.explanation.explained import ExplainedPhoto
from explorer.photos.colours import HUES, STEP, hues, name_of, polar
from explorer.photos.edits import POT_COLOURS, median_luminance, softened
from explorer.rendering.templates import render
from explorer.rendering.wording import percent, titled

from .hues import Turned
from .intervention import Intervention
from .settings import as_hex
from .view import key_of, pairs, region_words, signed

TEMPLATE = "what_if/hues.html"
LISTED = 6  # changes of the answer that are told in words; the curve shows all


def wheel(intervention: Intervention, turned: Turned | None) -> str:
    """The photo, whose region the browser repaints while the hue turns; and what the model says, once that is known."""
    before, after, region = intervention.before, intervention.after, intervention.region
    alpha = np.rint(255 * softened(region)).astype(np.uint8)  # [H, W], over the canvas
    return render(
        TEMPLATE,
        "wheel",
        key=key_of(before, region),
        region=region_words(intervention),
        shape=before.shown.shape,
        alpha=before.frame.shown(np.repeat(alpha[..., None], 3, -1))[..., 0],
        median=median_luminance(before.photo, region),
        start=start_of(intervention),
        hues=[(STEP * step, colour, name_of(colour)) for step, colour in enumerate(hues())],
        number=before.model.answers == "number",
        said=_said(turned, before, after) if turned else None,
    )


def start_of(intervention: Intervention) -> int:
    """Where the wheel starts, in degrees: at the hue the region was repainted in, else at the pots' red."""
    change = intervention.change
    colour = as_hex(POT_COLOURS.get(change.colour) or change.colour) if change.edit == "repaint" else "#a52e19"
    return round(polar(colour).hue / STEP) % HUES * STEP


def heat_at(degrees: int, intervention: Intervention, cells, view) -> str:
    """The heat before and at one hue."""
    colour = name_of(hues()[degrees // STEP])
    return render(TEMPLATE, "heat", degrees, colour, pairs(intervention, cells, view, f"at {degrees}°"))


def flip_words(turned: Turned) -> list[str]:
    """Where the answer changes, a sentence each; or that it does not."""
    if turned.model.answers == "number":
        numbers = turned.logits[:, 0].tolist()
        ends = [f"{end:+.3f} at {STEP * numbers.index(end)}°" for end in (min(numbers), max(numbers))]
        return [f"The number goes from {ends[0]} to {ends[1]}."]
    if not turned.flips:
        return [f"At every hue it says {titled(turned.predicted[0])}: the hue alone does not change the answer."]
    words = [
        f"{titled(flip.was)} becomes {titled(flip.becomes)} between {_named(flip.before)} and {_named(flip.after)}."
        for flip in turned.flips[:LISTED]
    ]
    more = len(turned.flips) - LISTED
    return [*words, f"And {more} more, marked in the curve."] if more > 0 else words


def _named(degrees):
    return f"{degrees}° ({name_of(hues()[degrees // STEP])})"


def _said(turned, before: ExplainedPhoto, after: ExplainedPhoto):
    """Every hue's answer for the page: table, curve and words."""
    first = before.model.classes if len(before.model.classes) <= len(before.shown_classes) else ()
    first = first or tuple(dict.fromkeys((before.predicted, after.predicted)))
    names = turned.followed(first)
    indices = [turned.model.classes.index(name) for name in names]
    rows = [[_answer(turned, step, index) for index in indices] for step in range(HUES)]
    return {
        "names": [titled(name) for name in names],
        "answers": json.dumps([[_predicted(turned, step), row] for step, row in enumerate(rows)]),
        "curves": [(titled(name), _curve(turned, index)) for name, index in zip(names, indices)],
        "flips": [(flip.before + STEP / 2) / 360 for flip in turned.flips],
        "words": flip_words(turned),
        "note": turned.note,
        "range": _range(turned),
    }


def _answer(turned, step, index):
    """Logit and probability as the page writes them."""
    chances = turned.probabilities
    return [signed(turned.logits[step, index].item()), "" if chances is None else percent(chances[step, index].item())]


def _predicted(turned, step):
    if turned.probabilities is None:
        return f"{turned.model.classes[0]} {turned.logits[step, 0].item():+.3f}"
    return f"{titled(turned.predicted[step])}, {percent(turned.probabilities[step].max().item())}"


def _range(turned):
    """What the bottom and the top of the curve stand for."""
    if turned.probabilities is not None:
        return "0 %", "100 %"
    return tuple(f"{end.item():+.3f}" for end in (turned.logits[:, 0].min(), turned.logits[:, 0].max()))


def _curve(turned, index):
    """Points (x, y) of an SVG 36 wide and 1 high, y downwards, at the middle of each hue's step."""
    if turned.probabilities is not None:
        heights = turned.probabilities[:, index]
    else:
        low, high = turned.logits[:, 0].min(), turned.logits[:, 0].max()
        heights = (turned.logits[:, 0] - low) / (high - low).clamp(min=1e-9)
    return " ".join(f"{step + 0.5:g},{1 - height:.4f}" for step, height in enumerate(heights.tolist()))
