"""The steps as HTML: captioned maps, bars, and the article's formulas in MathML with this photo's numbers in them."""

import base64
import io
from html import escape

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from explorer.explanation.service import FOR_AND_AGAINST, MIXTURE
from explorer.rendering.images import data_uri

from .breakdown import (
    METHOD,
    Steps,
    diverging_table,
    laid_over,
    number,
    reach,
    shades,
    signed_picture,
    span,
    summary,
    usual_reach,
)

SHOWN = 12  # maps before the fold
WRITTEN_OUT = 3  # terms of the weighted sum
SMALL = 128  # a map up to this side is shown pixel by pixel, a larger one reduced to it


def walkthrough(steps: Steps, base: str, colormap: str, chosen_method: str = METHOD) -> str:
    """The whole tab: from the score to the heat over the photo, then the network's layers."""
    parts = (
        _asked(steps, chosen_method),
        _score(steps),
        _maps(steps),
        _weights(steps),
        _sum(steps, base, colormap),
        _network(steps),
    )
    return f'<div class="steps">{"".join(parts)}</div>'


# -------------------------------------------------------------------------------------------------------- the steps


def _asked(steps, chosen_method):
    other = "" if chosen_method == METHOD else f" The method chosen is {escape(chosen_method)}; this tab takes {METHOD} apart."
    note = f" {escape(steps.study.note)}" if steps.study.note else ""
    return (
        f"<p>{METHOD} for <strong>{_title(steps)}</strong> at <strong>{escape(steps.column)}</strong> "
        f"(<code>{escape(steps.layer)}</code>), taken apart. Choose another class or layer beside the photo.{other}{note}</p>"
    )


def _score(steps):
    name, score = steps.target, steps.anatomy.score
    if name == MIXTURE:
        meaning = _sum_over("c") + _sub(_mi("p"), _mi("c")) + _sup(_mi("y"), _mi("c")) + _mo("=")
        words = "The logits, weighted by their probabilities; the probabilities themselves are held still."
    elif name in FOR_AND_AGAINST:
        minus = "" if FOR_AND_AGAINST[name] == 0 else _mo("−")
        meaning = minus + _text(steps.study.model.classes[0]) + _mo("=")
        words = "What the network answers, a number, as it grows in the direction asked for."
    else:
        meaning = ""
        words = f"The logit of {_title(steps)}: what the network puts out before the softmax."
    formula = _math(_y(steps), _mo("="), meaning, _signed(score, f"{abs(score):.3f}"))
    return _step("1", "The score", f'<p class="formula score">{formula}</p><p>{words}</p>')


def _maps(steps):
    count, (height, width) = len(steps.order), steps.anatomy.summed.shape
    cards = [_card(steps, k) for k in steps.order]
    rest = len(cards) - SHOWN
    more = f'<details><summary>{_plural(rest, "weaker map")}</summary><div class="cards">{"".join(cards[SHOWN:])}</div></details>'
    heat = (
        ""
        if steps.shares is None
        else " “Of the heat” is what a map brings to the finished heatmap; below zero it takes away, and all maps together make 100 %."
    )
    reduced = f" They are shown reduced to {SMALL} × {SMALL}." if max(height, width) > SMALL else ""
    return _step(
        "2",
        "Feature maps and their gradients",
        f"<p>{escape(steps.column)} turned the photo into {count} maps of {height} × {width}. Left in each pair: the map "
        f"{_inline(_sup(_mi('A'), _mi('k')))}. Right: its gradient {_inline(_slope(steps, 'k', ''))}, how the score would move if a point of the "
        f"map rose a little. The maps of the heaviest weight come first; <em>k</em> counts from 0.{heat}{reduced}</p>"
        f'{_colour_bar("below zero", "0", "above zero")}'
        "<p><small>Each picture by its own numbers, written under it. A gradient has few strong points, so that its strongest hundredth shares the darkest colour.</small></p>"
        f'<div class="cards">{"".join(cards[:SHOWN])}</div>{more if rest > 0 else ""}',
    )


def _card(steps, k):
    anatomy = steps.anatomy
    brings = "" if steps.shares is None else f"<small>{_whole_percent(steps.shares[k])} of the heat</small>"
    return (
        f'<figure class="card" data-map="{k}"><figcaption>{_math(_alpha(steps, k, ""), _mo("="), _number(anatomy.weights[k].item()))}{brings}</figcaption>'
        f"<div>{_map(f'feature map {k}', anatomy.activation[k], reach)}{_map(f'gradient of map {k}', anatomy.gradient[k], usual_reach)}</div></figure>"
    )


def _map(name, values, limit):
    numbers = span(values)
    pixels = " pixels" if max(values.shape) <= SMALL else ""
    return (
        f'<span><img class="signed{pixels}" loading="lazy" alt="{name}, {numbers}" src="{_thumbnail(values, limit(values))}">'
        f"<small>{numbers}</small></span>"
    )


def _weights(steps):
    anatomy, k = steps.anatomy, steps.order[0]
    height, width = anatomy.summed.shape
    total = anatomy.gradient[k].double().sum().item()
    over_map = _sum_over("i,j")
    ours = _math(
        *(_alpha(steps, k), _mo("=")),
        *(_frac(_mn("1"), _mn(height) + _mo("·") + _mn(width)), _mo("·"), _bracketed(_number(total))),
        *(_mo("="), _number(anatomy.weights[k].item())),
    )
    rule = _math(_alpha(steps, "k"), _mo("="), _frac(_mn("1"), _mi("Z")), over_map, _slope(steps, "k", "ij"))
    above = int((anatomy.weights > 0).sum())
    below = int((anatomy.weights < 0).sum())
    still = int((anatomy.gradient == 0).all(2).all(1).sum())
    idle = f" {_plural(still, 'map')} {'has' if still == 1 else 'have'} no gradient anywhere: no small change there reaches the score." if still else ""
    return _step(
        "3",
        "The weights: each gradient's mean",
        f'<p class="formula">{rule}</p><p class="formula ours">{ours}</p>'
        f"<p>One number for each map: how much the score would rise with a point of it, on average. "
        f"{above} of the {len(steps.order)} weights are above zero, {below} below.{idle}</p>"
        f"{_bars(steps)}",
    )


def _sum(steps, base, colormap):
    anatomy, side = steps.anatomy, steps.study.model.size
    limit = reach(anatomy.summed)
    written = [_term(anatomy.weights[k].item(), k, first=place == 0) for place, k in enumerate(steps.order[:WRITTEN_OUT])]
    rest = len(steps.order) - WRITTEN_OUT
    more = [_between("+"), _text(f"… and {rest} more")] if rest > 0 else []
    rule = _math(_mi("S"), _mo("="), _sum_over("k"), _alpha(steps, "k"), _sup(_mi("A"), _mi("k")), _mo("="))
    found = "no positive evidence" if steps.empty else f"peak {number(steps.peak)}"
    pictures = (
        _big("weighted sum", _png(signed_picture(anatomy.summed, side, limit)), "Weighted sum", span(anatomy.summed)),
        _big("after ReLU", _png(signed_picture(anatomy.rectified, side, limit)), "After ReLU", span(anatomy.rectified)),
        _big("enlarged", _png(signed_picture(anatomy.heatmap, side, limit)), f"Enlarged to {side} × {side}", span(anatomy.heatmap)),
        _big("over the photo", data_uri(laid_over(steps, base, colormap)), "Over the photo", found),
    )
    relu = _math(_heat(steps), _mo("="), _text("ReLU"), _mo("("), _mi("S"), _mo(")"), _mo("="))
    return _step(
        "4",
        "Weighted sum, ReLU, enlarged",
        f'<p class="formula sum">{" ".join([rule, *written, _math(*more)])}</p>'
        f'<p class="formula">{relu} {_math(_text("ReLU"), _mo("("))}{" ".join([*written, _math(*more, _mo(")"))])}</p>'
        f'<div class="four">{"".join(pictures)}</div>{_colour_bar(number(-limit), "0", number(limit))}'
        f"{_balance(steps)}{_worked(steps)}",
    )


def _balance(steps):
    """What the sum holds of either sign, in words."""
    title, share = _title(steps), steps.positive_share
    if share is None:
        return f'<p class="balance">The sum is zero everywhere: at this layer nothing moves the score of {title}.</p>'
    if steps.empty:
        return (
            f'<p class="balance"><strong>No positive evidence.</strong> Nowhere is the sum above zero: what speaks against {title} outweighs what speaks for it '
            f"at every point. The sum below zero adds up to {_n(steps.evidence_against)}; ReLU removes all of it.</p>"
        )
    speaks_for = round(share * 100, 1)
    return (
        f'<p class="balance">Of all that is in the sum, <b>{speaks_for:.1f} %</b> speaks for {title} ({_n(steps.evidence_for)}) and '
        f"<b>{100 - speaks_for:.1f} %</b> against ({_n(steps.evidence_against)}), which ReLU removes. "
        f"{_brought(steps)}</p>"
    )


def _brought(steps):
    """Which maps the heat is made of: not always those of the heaviest weights."""
    share, most = steps.share_of_top(WRITTEN_OUT), max(steps.order, key=lambda k: steps.shares[k])
    top = f"bring {_whole_percent(share)} of" if share >= 0 else f"take {_whole_percent(-share)} away from"
    return (
        f"The {WRITTEN_OUT} heaviest weights together {top} the heat; the map that brings the most, {_whole_percent(steps.shares[most])}, is number {most}. "
        "A weight says how much a map would matter; the map must also be active where the heat is."
    )


def _worked(steps):
    """The sum at its largest point, term by term."""
    row, column = steps.hottest
    terms = steps.terms(steps.hottest)
    written = [terms[k].item() for k in steps.order[:WRITTEN_OUT]]
    rest = len(steps.order) - WRITTEN_OUT
    total = steps.anatomy.summed[row, column].item()
    parts = [*written, *([terms.sum().item() - sum(written)] if rest > 0 else [])]
    exponent = _exponent(max(map(abs, [*parts, total])))
    names = [_alpha(steps, k, "") + _sup(_mi("A"), _mn(k)) for k in steps.order[:WRITTEN_OUT]] + [_text(f"{rest} others")]
    scaled = [_named_part(part / 10**exponent, name, first=place == 0) for place, (part, name) in enumerate(zip(parts, names))]
    power = _mo("×") + _sup(_mn("10"), _signed(exponent, abs(exponent)))
    result = _signed(total, f"{abs(total) / 10**exponent:.2f}")
    *lines, last = scaled
    return (
        f"<p>The sum where it is largest, in row {row} and column {column} of the map:</p>"
        f'<p class="formula worked">{_math(_sub(_mi("S"), _mn(f"{row},{column}")), _mo("="), _mo("("))}{" ".join(map(_math, lines))} '
        f"{_math(last, _mo(')'), power)} {_math(_mo('='), result, power)}</p>"
    )


def _network(steps):
    rows = summary(steps.study.model)
    side = steps.study.model.size
    body = "".join(
        f'<tr{_here(row, steps)}><th scope="row">{escape(row.layer)}</th><td>{escape(row.kind)}</td>'
        f"<td>{' × '.join(map(str, row.output_shape))}</td><td>{row.parameters:,}</td></tr>"
        for row in rows
    )
    total = sum(row.parameters for row in rows)
    return _step(
        "5",
        "The network, layer by layer",
        f"<p>{escape(steps.study.model.name)} takes a photo of 3 × {side} × {side}. The marked row is the layer taken apart; the gradient flows back to it from the last row.</p>"
        f'<div class="wide"><table class="summary">'
        f'<thead><tr><th scope="col">layer</th><th scope="col">kind</th><th scope="col">output shape</th><th scope="col">parameters</th></tr></thead>'
        f'<tbody>{body}</tbody><tfoot><tr><th scope="row">all</th><td></td><td></td><td>{total:,}</td></tr></tfoot></table></div>',
    )


def _here(row, steps):
    return ' class="here" aria-current="true"' if row.layer == steps.layer else ""


def _step(index, heading, content):
    return f'<section><h3><span class="index">{index}</span> {heading}</h3>{content}</section>'


def _title(steps):
    """The target in the middle of a sentence."""
    if steps.target == MIXTURE:
        return "the mixture"
    return escape(steps.target if steps.target in FOR_AND_AGAINST else steps.target.capitalize())


def _mark(steps):
    """The target in a formula."""
    return _text(steps.target.capitalize() if steps.target in steps.study.model.classes else steps.target)


def _plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _n(value):
    return f'<span class="number">{number(value)}</span>'


def _whole_percent(share):
    return f"{round(share * 100)} %".replace("-", "−")


# --------------------------------------------------------------------------------------------------------- pictures


def _big(name, source, title, numbers):
    return f'<figure><img alt="{escape(name)}: {numbers}" src="{source}"><figcaption>{escape(title)}<small>{numbers}</small></figcaption></figure>'


def _thumbnail(values: Tensor, limit: float) -> str:
    """Signed numbers [h, w] in diverging colours; a large map is reduced, or a page would be megabytes."""
    places = shades(values, limit)
    if max(places.shape) <= SMALL:
        return _png(places)
    return data_uri(cv2.resize(diverging_table()[places], (SMALL, SMALL), interpolation=cv2.INTER_AREA))


def _png(pixels: np.ndarray) -> str:
    """RGB, or places in the diverging table, without loss: neighbouring pixels must not run into each other."""
    picture = Image.fromarray(pixels)
    if pixels.ndim == 2:
        picture.putpalette(diverging_table().tobytes())
    held = io.BytesIO()
    picture.save(held, "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def _colour_bar(low, middle, high):
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in diverging_table()[::127])
    return (
        f'<div class="signed-bar"><span class="ramp" style="background:linear-gradient(to right, {stops})"><i></i></span>'
        f"<span>{low}</span><span>{middle}</span><span>{high}</span></div>"
    )


def _bars(steps):
    """αₖ as bars about a zero line, in the order of the maps above; a bar says its number when it is pointed at."""
    weights = steps.anatomy.weights.tolist()
    limit = max(map(abs, weights)) or 1.0
    bars = "".join(_bar(place, k, weights[k], weights[k] / limit) for place, k in enumerate(steps.order))
    said = f"{len(weights)} weights from {number(min(weights))} to {number(max(weights))}, strongest first"
    return (
        f'<figure class="bars"><div class="scale"><span>{number(limit)}</span><span>0</span><span>{number(-limit)}</span></div>'
        f'<svg viewBox="0 0 {len(weights)} 2" preserveAspectRatio="none" role="img" aria-label="{said}">{bars}'
        f'<line class="zero" x1="0" x2="{len(weights)}" y1="1" y2="1"/></svg>'
        f"<figcaption>The weights, heaviest first: above the line a map speaks for {_title(steps)} where it is positive, below the line against.</figcaption></figure>"
    )


def _bar(place, k, weight, height):
    sign = "for" if weight > 0 else "against"
    top = 1 - max(height, 0)
    return (
        f'<g data-map="{k}"><title>α {k} = {number(weight)}</title><rect class="behind" x="{place}" y="0" width="1" height="2"/>'
        f'<rect class="{sign}" x="{place + 0.1:.1f}" y="{top:.4f}" width="0.8" height="{abs(height):.4f}"/></g>'
    )


# --------------------------------------------------------------------------------------------------------- formulas


def _math(*parts):
    return f'<math displaystyle="true">{"".join(parts)}</math>'


def _inline(*parts):
    return f"<math>{''.join(parts)}</math>"


def _mi(name):
    return f"<mi>{name}</mi>"


def _mn(digits):
    return f"<mn>{digits}</mn>"


def _mo(sign):
    return f"<mo>{sign}</mo>"


def _between(sign):
    """A plus or minus between two terms, also where it begins a formula's next piece."""
    return f'<mo form="infix">{sign}</mo>'


def _text(words):
    return f"<mtext>{escape(words)}</mtext>"


def _row(*parts):
    return f"<mrow>{''.join(parts)}</mrow>"


def _sub(base, index):
    return f"<msub>{base}{_row(index)}</msub>"


def _sup(base, index):
    return f"<msup>{base}{_row(index)}</msup>"


def _subsup(base, below, above):
    return f"<msubsup>{base}{_row(below)}{_row(above)}</msubsup>"


def _frac(over, under):
    return f"<mfrac>{_row(over)}{_row(under)}</mfrac>"


def _sum_over(index):
    return f"<munder>{_mo('∑')}{_mi(index)}</munder>"


def _bracketed(content):
    return _row(_mo("("), content, _mo(")"))


def _signed(value, digits, plus=False):
    sign = "−" if value < 0 else "+" if plus else ""
    return _row((_between(sign) if plus else _mo(sign)) if sign else "", _mn(digits))


def _number(value, plus=False):
    """Three digits, as a power of ten where zeros would crowd them out."""
    exponent = _exponent(value)
    if -4 < exponent < 4:
        return _signed(value, f"{abs(value):#.3g}".rstrip("."), plus)
    return _row(_signed(value, f"{abs(value) / 10**exponent:.2f}", plus), _mo("×"), _sup(_mn("10"), _signed(exponent, abs(exponent))))


def _exponent(value):
    return int(f"{value:.2e}".split("e")[1])


def _named_part(value, name, first):
    sign = _mo("−") if first and value < 0 else "" if first else _between("−" if value < 0 else "+")
    return _row(sign, f"<munder>{_mn(f'{abs(value):.2f}')}{_row(name)}</munder>")


def _term(weight, k, first):
    return _math(_number(weight, plus=not first), _mo("·"), _sup(_mi("A"), _mn(k)))


def _alpha(steps, k, target=None):
    index = _mi(k) if k == "k" else _mn(k)
    above = _mark(steps) if target is None else target
    return _subsup(_mi("α"), index, above) if above else _sub(_mi("α"), index)


def _y(steps):
    return _sup(_mi("y"), _mark(steps))


def _heat(steps):
    return _sup(_mi("L"), _mark(steps))


def _slope(steps, k, point):
    above = _row(_mo("∂"), _y(steps))
    map_k = _subsup(_mi("A"), _mi(point), _mi(k)) if point else _sup(_mi("A"), _mi(k))
    return _frac(above, _mo("∂") + map_k)
