"""The study as HTML: the prediction in words, the grid as a table that reads like a matrix, the colour bar, the examples."""

import base64
from html import escape

import cv2

import potplants
from gradcam import colour_table

from .examples import Examples
from .grid import Cell, columns
from .photo import read_photo
from .study import FOR_AND_AGAINST, MIXTURE, Study

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
# 444: a heatmap's colours are its message. 20 cells as PNG are 1.8 to 4.4× the bytes and 2.3 to 3.8× the time.


def verdict(study: Study, really: str | None) -> str:
    """What the model said, in words, what the photo really shows where that is known, and the photo as the network saw it."""
    side = study.model.size
    note = f'<p class="note">{escape(study.note)}</p>' if study.note else ""
    return (
        f'<div class="verdict" role="status"><div><p>The model says {_said(study)} {_truth(study.predicted, really)}</p>{note}</div>'
        f'<figure><img alt="the photo as the network saw it" src="{data_uri(study.photo)}">'
        f"<figcaption>as the network saw it, {side}&nbsp;×&nbsp;{side}</figcaption></figure></div>"
    )


def refusal(sentence: str) -> str:
    """One plain sentence in place of a verdict."""
    return f'<div class="verdict refusal" role="alert"><p>{escape(sentence)}</p></div>'


def matrix(study: Study, cells: list[list[Cell]], colormap: str, scale: str, chosen=(None, None)) -> str:
    """The grid: a row for every class with its logit, and one for the mixture; a column for every layer.

    chosen: target and column of the cell that the other tabs look at; it gets a frame.
    """
    heads = "".join(
        f'<th scope="col">{name}<small>{_second_line(layer)}</small></th>' for layer, name in columns(study).items()
    )
    rows = "".join(_row(study, row, chosen) for row in cells)
    return (
        f'<table class="matrix"><thead><tr><th scope="col" class="corner">explained ↓ at layer →</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{colour_bar(colormap, scale)}"
    )


def colour_bar(colormap: str, scale: str) -> str:
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in colour_table(colormap)[::15])
    hottest = "this map's own peak" if scale == "each map" else "the strongest peak of all maps"
    return (
        f'<div class="colour-bar"><span>no evidence</span><span class="ramp" style="background:linear-gradient(to right, {stops})"></span>'
        f"<span>{hottest}</span><p>Colour is evidence <em>for</em> the row's class. A cell left plain holds none. "
        f"Conv columns of one photo can differ a thousandfold: read the peak under each cell. “All layers” rescales every layer first, so it says where, not how much.</p></div>"
    )


def strip(examples: Examples) -> str:
    """The examples as labelled pictures to press, numbered in the order shown."""
    buttons = "".join(
        f'<button type="button" data-index="{index}"><img alt="" src="{data_uri(_thumbnail(example.file))}">{escape(example.caption)}</button>'
        for index, example in enumerate(examples.shown)
    )
    return f'<p class="strip-title">Examples, {escape(examples.origin)}</p><div class="strip">{buttons}</div>'


def percent(probability: float) -> str:
    """Never “100 %”: a softmax does not reach it."""
    if probability > 0.999:
        return "over 99.9 %"
    if probability < 0.001:
        return "under 0.1 %"
    return f"{probability:.1%}".replace("%", " %")


def jpeg(picture) -> bytes:
    return cv2.imencode(".jpg", picture[..., ::-1], JPEG)[1].tobytes()


def data_uri(picture) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture)).decode()


def _thumbnail(file):
    """[128, 128, 3] RGB, the middle of the photo."""
    photo = read_photo(file).pixels
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    return cv2.resize(photo[top : top + side, left : left + side], (128, 128), interpolation=cv2.INTER_AREA)


def _said(study):
    if study.model.answers == "number":
        return f"<strong>{study.predicted} {study.logits[0]:+.3f}</strong>"
    return f"<strong>{study.predicted.capitalize()}</strong>, {percent(max(study.probabilities))}"


def _truth(said, really):
    if really is None or said not in potplants.CLASSES:
        return ""
    mark, outcome = ("✓", "right") if really == said else ("✗", "wrong")
    return f'<span class="truth {outcome}">{mark} really {really.capitalize()}</span>'


def _second_line(layer):
    return "" if " " in layer else f" {escape(layer)}"


def _row(study, row, chosen):
    target = row[0].target
    predicted = ' class="predicted"' if target == study.predicted else ""
    return f'<tr{predicted}><th scope="row">{_row_head(study, target)}</th>{"".join(_cell(cell, chosen) for cell in row)}</tr>'


def _row_head(study, target):
    if target == MIXTURE:
        return "<b>Mixture</b><small>all classes, weighted by probability</small>"
    if target in FOR_AND_AGAINST:
        return f"<b>{target.capitalize()}</b><small>what moves the answer there</small>"
    index = study.model.classes.index(target)
    probability = study.probabilities[index]
    return (
        f'<b>{target.capitalize()}</b><small>logit <span class="number">{study.logits[index]:+.2f}</span></small>'
        f'<small>{percent(probability)}</small><span class="bar"><i style="width:{probability:.1%}"></i></span>'
    )


def _cell(cell, chosen):
    caption = escape(cell.caption)
    name = escape(f"{cell.target} {cell.column}".replace(" ", "-"))
    frame = " chosen" if (cell.target, cell.column) == chosen else ""
    place = f'data-target="{escape(cell.target)}" data-column="{escape(cell.column)}"'
    return (
        f'<td><button type="button" class="cell{frame}" {place} data-caption="{caption}" data-name="{name}" aria-label="Enlarge: {caption}">'
        f'<img alt="{caption}" src="{data_uri(cell.picture)}"></button>'
        f'<small class="{"none" if cell.empty else "peak"}">{escape(cell.measured)}</small></td>'
    )
