"""The tab What if?: change a part of the photo, and see what the model says to that."""

import re
from uuid import uuid4

import gradio as gr

from explorer.controls import QUIET, Controls
from explorer.explanation.service import ExplanationService
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import Examples
from explorer.photos.masks import read_strokes
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.cancellation import cancellable
from explorer.server.errors import EXPECTED
from explorer.server.values import event_value

from .intervention import EDITS, REGIONS, Change, compare, in_every_colour, intervene
from .view import draw_first, name_of, pad, result

SHOWING, DRAWING = script("curtain.js", "lightbox.js"), script("brush.js")

OWN = "another"  # a colour that is no pot's
REGION_LABELS = {"pot": "Pot", "plant": "Plant", "soil": "Soil", "hottest": "Hottest part", "brush": "Draw it"}
EDIT_LABELS = {"repaint": "Repaint", "blur": "Blur", "fill": "Fill with the mean of the rest"}


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""

    def show(
        file,
        model,
        method,
        target,
        layer,
        base,
        colormap,
        region,
        percent,
        edit,
        colour,
        own,
        strokes,
        progress=gr.Progress(),  # noqa: B008 (Gradio finds it there)
    ):
        paper = ""
        try:
            before = service.explain_file(file, model, method, cancellable(progress))
            paper = pad(before)
            drawn = _drawn_on(before, strokes)
            if region == "brush" and drawn is None:
                return paper, draw_first()
            question = Change(region, percent, target, layer, edit, _hex(own) if colour == OWN else colour)
            found = intervene(service, before, question, examples.known(file), drawn, cancellable(progress))
            paints, note = in_every_colour(service.device, before, found.where)
            found = found.noted(note)
            return paper, result(found, compare(found, base, colormap), paints, colormap)
        except EXPECTED as error:
            return paper, error_message(str(error))

    marked = examples.story.mask is not None
    with gr.Tab("What if?", id="what-if") as tab:
        story = gr.Button("Give Rudo his red pot back", variant="primary", visible=marked, elem_id="red-pot")
        region = gr.Radio(
            _labelled(REGIONS, REGION_LABELS),
            value="pot" if marked else "hottest",
            label="What if this …",
            elem_id="region",
        )
        percent = gr.Slider(
            1, 50, 10, step=1, label="Hottest share, in % of the pixels", visible=not marked, elem_id="percent"
        )
        paper = gr.HTML(visible="hidden", js_on_load=DRAWING, apply_default_css=False, elem_id="pad")
        with gr.Row():
            edit = gr.Radio(
                _labelled(EDITS, EDIT_LABELS),
                value="repaint",
                label="… looked otherwise?",
                min_width=260,
                elem_id="edit",
            )
            colour = gr.Radio(
                _labelled((*POT_COLOURS, OWN), {}), value="red", label="Colour", min_width=260, elem_id="colour"
            )
            own = gr.ColorPicker("#7a3fb0", label="Another colour", visible=False, elem_id="own-colour")
        answer = gr.HTML(js_on_load=SHOWING, apply_default_css=False, elem_id="what-if-answer")
        strokes = gr.State(None)
        drawing = gr.Textbox(visible="hidden")  # another word for other strokes: what a State holds no browser hears of

    def give_back():
        return str(examples.story.file), "pot", "repaint", "red"

    def drawn(event: gr.EventData):
        return {"photo": event_value(event, "photo"), "picture": event_value(event, "picture")}, uuid4().hex

    def needed(region, edit, colour):
        return (
            gr.Slider(visible=region == "hottest"),
            gr.HTML(visible=True if region == "brush" else "hidden"),
            gr.Radio(visible=edit == "repaint"),
            gr.ColorPicker(visible=edit == "repaint" and colour == OWN),
        )

    story.click(give_back, None, [controls.photo, region, edit, colour], queue=False, **QUIET)
    paper.select(drawn, None, [strokes, drawing], queue=False, **QUIET)
    gr.on(
        [part.change for part in (region, edit, colour)],
        needed,
        [region, edit, colour],
        [percent, paper, colour, own],
        queue=False,
        **QUIET,
    )
    asked = [
        controls.photo,
        controls.model,
        controls.method,
        controls.target,
        controls.layer,
        controls.base,
        controls.colormap,
    ]
    controls.bind(tab, show, [*asked, region, percent, edit, colour, own, strokes], [paper, answer], (drawing,))


def _drawn_on(explained, strokes):
    """The region drawn on the study's photo; None where nothing is, or where the drawing is one on another photo."""
    if not strokes or strokes.get("photo") != name_of(explained.photo) or not strokes.get("picture"):
        return None
    return read_strokes(strokes["picture"], explained.model.size)


def _hex(colour):
    """A colour picker's answer, "rgba(r, g, b, a)" or "#rrggbb", as the latter."""
    parts = re.match(r"rgba?\((\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?)", colour)
    return f"#{''.join(f'{min(round(float(part)), 255):02x}' for part in parts.groups())}" if parts else colour


def _labelled(names, labels):
    return [(labels.get(name, name.capitalize()), name) for name in names]
