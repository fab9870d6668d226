"""The tab What if?: change a part of the photo, and see what the model says to that."""

import re
from dataclasses import dataclass
from uuid import uuid4

import gradio as gr

from explorer.controls import QUIET, Controls, Group, labelled
from explorer.explanation.service import ExplanationService
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import Examples
from explorer.photos.masks import read_strokes
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.errors import EXPECTED
from explorer.server.values import event_value
from explorer.settings import View

from .intervention import EDITS, REGIONS, Change, compare, in_every_colour, intervene
from .view import draw_first, name_of, pad, result

SHOWING, DRAWING = script("curtain.js", "lightbox.js"), script("brush.js")

OWN = "another"  # a colour that is no pot's
REGION_LABELS = {"pot": "Pot", "plant": "Plant", "soil": "Soil", "hottest": "Hottest part", "brush": "Draw it"}
EDIT_LABELS = {"repaint": "Repaint", "blur": "Blur", "fill": "Fill with the mean of the rest"}


@dataclass(frozen=True)
class Edit:
    """The tab's own controls."""

    region: str
    percent: float
    edit: str
    colour: str
    own_colour: str  # as the colour picker says it; counts where `colour` is OWN
    strokes: dict | None  # what was drawn, and on which photo

    def change(self, view: View) -> Change:
        colour = _hex(self.own_colour) if self.colour == OWN else self.colour
        return Change(self.region, self.percent, view.target, view.layer, self.edit, colour)


@dataclass(frozen=True)
class Parts:
    """The tab's components."""

    story: gr.Button
    region: gr.Radio
    percent: gr.Slider
    paper: gr.HTML
    edit: gr.Radio
    colour: gr.Radio
    own_colour: gr.ColorPicker
    answer: gr.HTML
    strokes: gr.State
    drawing: gr.Textbox  # hidden: another word for other strokes; what a State holds no browser hears of

    @property
    def settings(self) -> Group:
        return Group(Edit, (self.region, self.percent, self.edit, self.colour, self.own_colour, self.strokes))


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""

    def show(file, view, settings, caller):
        paper = ""
        try:
            before = service.explain_file(file, view.model, view.method, caller.progress)
            paper = pad(before)
            drawn = _drawn_on(before, settings.strokes)
            if settings.region == "brush" and drawn is None:
                return paper, draw_first()
            change = settings.change(view)
            made = intervene(service, before, change, examples.known(file), drawn, caller.progress)
            paints, note = in_every_colour(service.device, before, made.where)
            made = made.noted(note)
            return paper, result(made, compare(made, view), paints, view)
        except EXPECTED as error:
            return paper, error_message(str(error))

    def give_back():
        return str(examples.story.file), "pot", "repaint", "red"

    with gr.Tab("What if?", id="what-if") as tab:
        parts = _lay_out(marked=examples.story.mask is not None)
    story_of = [controls.photo, parts.region, parts.edit, parts.colour]
    parts.story.click(give_back, None, story_of, queue=False, **QUIET)
    _wire(parts)
    inputs = [controls.photo, controls.view, parts.settings]
    controls.bind(tab, show, inputs, [parts.paper, parts.answer], also=[parts.drawing], unused=["scale"])


def _lay_out(marked: bool) -> Parts:
    """marked: whether the story's photo has a mask, so that its pot is known."""
    story = gr.Button("Give Rudo his red pot back", variant="primary", visible=marked, elem_id="red-pot")
    regions = labelled(REGIONS, REGION_LABELS)
    region = gr.Radio(regions, value="pot" if marked else "hottest", label="What if this …", elem_id="region")
    share = "Hottest share, in % of the pixels"
    percent = gr.Slider(1, 50, 10, step=1, label=share, visible=not marked, elem_id="percent")
    paper = gr.HTML(visible="hidden", js_on_load=DRAWING, apply_default_css=False, elem_id="pad")
    with gr.Row():
        edits, colours = labelled(EDITS, EDIT_LABELS), labelled((*POT_COLOURS, OWN))
        edit = gr.Radio(edits, value="repaint", label="… looked otherwise?", min_width=260, elem_id="edit")
        colour = gr.Radio(colours, value="red", label="Colour", min_width=260, elem_id="colour")
        own_colour = gr.ColorPicker("#7a3fb0", label="Another colour", visible=False, elem_id="own-colour")
    answer = gr.HTML(js_on_load=SHOWING, apply_default_css=False, elem_id="what-if-answer")
    strokes, drawing = gr.State(None), gr.Textbox(visible="hidden")
    return Parts(story, region, percent, paper, edit, colour, own_colour, answer, strokes, drawing)


def _wire(parts: Parts):
    """What the tab's own components do to each other."""

    def drawn(event: gr.EventData):
        return {"photo": event_value(event, "photo"), "picture": event_value(event, "picture")}, uuid4().hex

    def needed(region, edit, colour):
        return (
            gr.Slider(visible=region == "hottest"),
            gr.HTML(visible=True if region == "brush" else "hidden"),
            gr.Radio(visible=edit == "repaint"),
            gr.ColorPicker(visible=edit == "repaint" and colour == OWN),
        )

    choices = [parts.region, parts.edit, parts.colour]
    shown = [parts.percent, parts.paper, parts.colour, parts.own_colour]
    parts.paper.select(drawn, None, [parts.strokes, parts.drawing], queue=False, **QUIET)
    gr.on([part.change for part in choices], needed, choices, shown, queue=False, **QUIET)


def _drawn_on(explained, strokes):
    """The region drawn on the study's photo; None where nothing is, or where the drawing is one on another photo."""
    if not strokes or strokes.get("photo") != name_of(explained.photo) or not strokes.get("picture"):
        return None
    return read_strokes(strokes["picture"], explained.model.size)


def _hex(colour):
    """A colour picker's answer, "rgba(r, g, b, a)" or "#rrggbb", as the latter."""
    parts = re.match(r"rgba?\((\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?)", colour)
    return f"#{''.join(f'{min(round(float(part)), 255):02x}' for part in parts.groups())}" if parts else colour
