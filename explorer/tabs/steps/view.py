"""HTML of the tab Step by step: captioned maps, bars, and the formulas with this photo's numbers in them."""

import base64

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from classifiers.photos.decode import read_photo
from explorer.deep_links import Link, query
from explorer.explanation.targets import FOR_AND_AGAINST, MIXTURE
from explorer.rendering.images import data_uri, png_uri
from explorer.rendering.templates import render
from explorer.rendering.wording import (
    magnitude,
    plural,
    precise_peak,
    scientific,
    signed_number,
    signed_share,
    titled,
    with_exponent,
)
from explorer.settings import View

from .breakdown import (
    METHOD,
    ZERO,
    Steps,
    colour_indices,
    diverging_table,
    heat_over_photo,
    largest_magnitude,
    robust_magnitude,
    signed_picture,
    value_range,
)
from .strongest import Found

TEMPLATE = "steps/template.html"
SHOWN = 12  # maps that are not folded away
WRITTEN_OUT = 3  # terms of the weighted sum
DRAWN = 96  # maps with a picture: of a layer of two thousand the page would have megabytes
SENT = 64  # the longest side of the numbers that the browser adds up: 8 kB a map
LEVELS = 32767  # of a number's share of the largest magnitude
SMALL = 128  # a map up to this side is shown pixel by pixel, a larger one reduced to it


def walkthrough(steps: Steps, view: View) -> str:
    """The whole tab: from the score to the heat over the photo, then the network's layers."""
    return render(
        TEMPLATE,
        "walkthrough",
        steps,
        method=METHOD,
        chosen_method=view.method,
        title=_title(steps),
        mark=_mark(steps),
        colours=diverging_table()[::127].tolist(),
        score=_score(steps),
        maps=_maps(steps),
        weights=_weights(steps),
        total=_sum(steps, view),
        layers=steps.network,
    )


def strongest_photos(k: int, found: Found, looked_through: int, view: View) -> str:
    """A sheet of the photos that excite map k most. Raises ValueError for a map that the layer does not have."""
    if k >= len(found):
        raise ValueError(f"This layer has {len(found)} maps, and none of that number.")
    tiles = [
        {
            "picture": read_photo(strong.example.file).pixels,
            "at": (f"{100 * strong.x:.1f}%", f"{100 * strong.y:.1f}%"),
            "key": strong.example.key,
            "words": f"{titled(strong.example.really)}, {signed_number(strong.value)}",
            "link": query(Link(strong.example.key, view, "steps")),
        }
        for strong in found[k]
    ]
    return render(TEMPLATE, "strongest", k, looked_through, tiles)


# -------------------------------------------------------------------------------------------------------- the steps


def _score(steps):
    value = steps.anatomy.score
    return {
        "mixture": steps.target == MIXTURE,
        "direction": steps.target in FOR_AND_AGAINST,
        "negated": FOR_AND_AGAINST.get(steps.target, 0) != 0,
        "quantity": steps.explained.model.classes[0],
        "negative": value < 0,
        "digits": f"{abs(value):.3f}",
    }


def _maps(steps):
    height, width = steps.anatomy.summed.shape
    shown = steps.by_share[:DRAWN]
    cards = [_card(steps, k, sent=place < SHOWN) for place, k in enumerate(shown)]
    return {
        "shape": (height, width),
        "first": cards[:SHOWN],
        "more": cards[SHOWN:],
        "count": len(steps.order),
        "rest": _rest(len(steps.order)),
        "reduced_to": SMALL if max(height, width) > SMALL else None,
    }


def _rest(maps):
    """The heading of the maps that are folded away."""
    more = plural(min(maps, DRAWN) - SHOWN, "weaker map")
    return more if maps <= DRAWN else f"{more}; the weakest {maps - DRAWN} are in the sum and have no picture"


def _card(steps, k, sent):
    """sent: whether the browser gets the map's numbers, to take it out of the sum."""
    anatomy = steps.anatomy
    pictures = (
        _map(f"feature map {k}", anatomy.activation[k], largest_magnitude),
        _map(f"gradient of map {k}", anatomy.gradient[k], robust_magnitude),
    )
    share = None if steps.shares is None else signed_share(steps.shares[k])
    return {
        "k": k,
        "weight": scientific(anatomy.weights[k].item()),
        "share": share,
        "pictures": pictures,
        "term": _term(steps, k) if sent else None,
    }


def _term(steps, k):
    """What map k brings to the sum at each point, αₖAᵏ, for the browser."""
    anatomy = steps.anatomy
    return _sent(anatomy.weights[k].double() * anatomy.activation[k].double())


def _sent(values):
    """Numbers [h, w] at most SENT a side, as 16-bit shares of the largest magnitude: (limit, base64)."""
    if max(values.shape) > SENT:
        height, width = (min(side, SENT) for side in values.shape)
        values = functional.adaptive_avg_pool2d(values[None], (height, width))[0]
    limit = largest_magnitude(values)
    levels = (values / (limit or 1.0) * LEVELS).round().to(torch.int16)
    return limit, base64.b64encode(levels.numpy().astype("<i2").tobytes()).decode()


def _hex(colour):
    return f"#{bytes(colour).hex()}"


def _map(name, values, limit):
    small = max(values.shape) <= SMALL
    return {"name": name, "numbers": value_range(values), "small": small, "source": _thumbnail(values, limit(values))}


def _weights(steps):
    anatomy, k = steps.anatomy, steps.by_share[0]
    without = int((anatomy.gradient == 0).all(2).all(1).sum())
    return {
        "k": k,
        "total": scientific(anatomy.gradient[k].double().sum().item()),
        "mean": scientific(anatomy.weights[k].item()),
        "above": int((anatomy.weights > 0).sum()),
        "below": int((anatomy.weights < 0).sum()),
        "without_gradient": f"{plural(without, 'map')} {'has' if without == 1 else 'have'}" if without else "",
        **_bars(anatomy.weights.tolist(), steps.order),
    }


def _bars(weights, order):
    """αₖ in the order of the maps."""
    limit = max(map(abs, weights)) or 1.0
    extremes = f"{signed_number(min(weights))} to {signed_number(max(weights))}"
    return {
        "bars": [(k, f"α {k} = {signed_number(weights[k])}", weights[k] / limit) for k in order],
        "limit": (signed_number(limit), signed_number(-limit)),
        "description": f"{len(weights)} weights from {extremes}, strongest first",
    }


def _sum(steps, view):
    limit = largest_magnitude(steps.anatomy.summed)
    return {
        "terms": [(k, scientific(steps.anatomy.weights[k].item())) for k in steps.by_share[:WRITTEN_OUT]],
        "rest": len(steps.order) - WRITTEN_OUT,
        "pictures": _pictures(steps, view, limit),
        "whole": _sent(steps.anatomy.summed.double()),
        "sent": [min(side, SENT) for side in steps.anatomy.summed.shape],
        "colours": [_hex(colour) for colour in diverging_table()[ZERO::4]],
        "limit": (signed_number(-limit), signed_number(limit)),
        "balance": _balance(steps),
        "example": _example(steps),
    }


def _pictures(steps, view, limit):
    """S, its ReLU, the heatmap and its overlay: (name, title, numbers, source) of each."""
    anatomy, size = steps.anatomy, steps.explained.model.preprocessing.size
    signed = (
        ("weighted sum", "Weighted sum", anatomy.summed),
        ("after ReLU", "After ReLU", anatomy.rectified),
        ("enlarged", f"Enlarged to {size[0]} × {size[1]}", anatomy.heatmap),
    )
    return [
        *(
            (name, title, value_range(values), png_uri(signed_picture(values, size, limit)))
            for name, title, values in signed
        ),
        ("over the photo", "Over the photo", precise_peak(steps.peak), data_uri(heat_over_photo(steps, view))),
    ]


def _balance(steps):
    """The parts of the sum above and below zero; None where it is zero everywhere."""
    share = steps.positive_share
    if share is None:
        return None
    positive = round(share * 100, 1)
    return {
        "empty": steps.empty,
        "shares": (f"{positive:.1f} %", f"{100 - positive:.1f} %"),
        "sums": (signed_number(steps.evidence_for), signed_number(steps.evidence_against)),
        "top_maps": "" if steps.empty else _top_maps(steps),
    }


def _top_maps(steps):
    """A sentence on the maps that bring most heat, and on the one of the heaviest weight where it is none of them."""
    first, heaviest = steps.by_share[:WRITTEN_OUT], steps.order[0]
    sentence = (
        f"The {WRITTEN_OUT} maps that bring most bring {signed_share(steps.share_of(first))} of the heat together."
    )
    if heaviest in first:
        return sentence
    weight, share = signed_number(steps.anatomy.weights[heaviest].item()), signed_share(steps.shares[heaviest])
    return f"{sentence} Map {heaviest} has the heaviest weight, {weight}, and {share} of the heat."


def _example(steps):
    """The sum at its largest point, term by term: the largest terms by their maps, then all others as one."""
    terms, total = steps.terms(steps.hottest), steps.anatomy.summed[steps.hottest].item()
    parts = [(k, terms[k].item()) for k in steps.by_share[:WRITTEN_OUT]]
    if len(steps.order) > WRITTEN_OUT:
        parts.append((None, terms.sum().item() - sum(part for _, part in parts)))
    exponent = magnitude(max(abs(value) for value in (*(part for _, part in parts), total)))
    return {
        "point": steps.hottest,
        "parts": [(k, with_exponent(part, exponent)) for k, part in parts],
        "total": with_exponent(total, exponent),
    }


def _title(steps):
    """The target as written in the middle of a sentence."""
    if steps.target == MIXTURE:
        return "the mixture"
    return steps.target if steps.target in FOR_AND_AGAINST else titled(steps.target)


def _mark(steps):
    """The target as written in a formula."""
    return titled(steps.target) if steps.target in steps.explained.model.classes else steps.target


def _thumbnail(values: Tensor, limit: float) -> str:
    """Signed numbers [h, w] in diverging colours; a large map is reduced, or a page would be megabytes."""
    indices = colour_indices(values, limit)
    if max(indices.shape) <= SMALL:
        return png_uri(indices, diverging_table())
    return data_uri(cv2.resize(diverging_table()[indices], (SMALL, SMALL), interpolation=cv2.INTER_AREA))
