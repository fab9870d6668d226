"""The tab What if?: change a part of the photo, and compare what the model says."""

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

from .intervention import EDITS, REGIONS, Change, compare, intervene, repaint_in_every_colour
from .view import draw_first, drawing_pad, name_of, result

ANSWER_SCRIPT, PAD_SCRIPT = script("curtain.js", "shades.js", "lightbox.js"), script("brush.js")

CUSTOM = "another"  # the choice of a colour that is not a pot's
REGION_LABELS = {"pot": "Pot", "plant": "Plant", "soil": "Soil", "hottest": "Hottest part", "brush": "Draw it"}
EDIT_LABELS = {"repaint": "Repaint", "blur": "Blur", "fill": "Fill with the mean of the rest"}


@dataclass(frozen=True)
class EditSettings:
    """Values of the tab's own controls."""

    region: str
    percent: float
    edit: str
    colour: str
    custom_colour: str  # as the colour picker sends it; used where `colour` is CUSTOM
    strokes: dict | None  # what was drawn, and on which photo

    def change(self, view: View) -> Change:
        colour = _hex(self.custom_colour) if self.colour == CUSTOM else self.colour
        return Change(self.region, self.percent, view.target, view.layer, self.edit, colour)


@dataclass(frozen=True)
class Components:
    """The tab's components."""

    red_pot: gr.Button
    region: gr.Radio
    percent: gr.Slider
    pad: gr.HTML
    edit: gr.Radio
    colour: gr.Radio
    custom_colour: gr.ColorPicker
    answer: gr.HTML
    strokes: gr.State
    drawing: gr.Textbox  # hidden: a new id for each drawing, since the browser never learns a State's value

    @property
    def settings(self) -> Group:
        components = self.region, self.percent, self.edit, self.colour, self.custom_colour, self.strokes
        return Group(EditSettings, components)


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""

    def show(file, view, settings, caller):
        pad = ""
        try:
            before = service.explain_file(file, view.model, view.method, caller.progress, view.target)
            pad = drawing_pad(before)
            drawn = _drawn_region(before, settings.strokes)
            if settings.region == "brush" and drawn is None:
                return pad, draw_first()
            change, example = settings.change(view), examples.known(file)
            intervention = intervene(service, before, change, example, drawn, caller.progress)
            repainted, note = repaint_in_every_colour(service.device, before, intervention.region)
            intervention = intervention.noted(note)
            return pad, result(intervention, compare(intervention, view), repainted, view)
        except EXPECTED as error:
            return pad, error_message(str(error))

    def choose_red_pot():
        return str(examples.story.file), "pot", "repaint", "red"

    with gr.Tab("What if?", id="what-if") as tab:
        own = _lay_out(marked=examples.story.mask is not None)
    red_pot = [controls.photo, own.region, own.edit, own.colour]
    own.red_pot.click(choose_red_pot, None, red_pot, queue=False, **QUIET)
    _wire(own)
    inputs = [controls.photo, controls.view, own.settings]
    controls.bind(tab, show, inputs, [own.pad, own.answer], also=[own.drawing], unused=["scale"])


def _lay_out(marked: bool) -> Components:
    """marked: whether the opening photo has a mask, so that its pot is known."""
    red_pot = gr.Button("Give Rudo his red pot back", variant="primary", visible=marked, elem_id="red-pot")
    regions = labelled(REGIONS, REGION_LABELS)
    region = gr.Radio(regions, value="pot" if marked else "hottest", label="What if this …", elem_id="region")
    share = "Hottest share, in % of the pixels"
    percent = gr.Slider(1, 50, 10, step=1, label=share, visible=not marked, elem_id="percent")
    pad = gr.HTML(visible="hidden", js_on_load=PAD_SCRIPT, apply_default_css=False, elem_id="pad")
    with gr.Row():
        edits, colours = labelled(EDITS, EDIT_LABELS), labelled((*POT_COLOURS, CUSTOM))
        edit = gr.Radio(edits, value="repaint", label="… looked otherwise?", min_width=260, elem_id="edit")
        colour = gr.Radio(colours, value="red", label="Colour", min_width=260, elem_id="colour")
        custom_colour = gr.ColorPicker("#7a3fb0", label="Another colour", visible=False, elem_id="own-colour")
    answer = gr.HTML(js_on_load=ANSWER_SCRIPT, apply_default_css=False, elem_id="what-if-answer")
    strokes, drawing = gr.State(None), gr.Textbox(visible="hidden")
    return Components(red_pot, region, percent, pad, edit, colour, custom_colour, answer, strokes, drawing)


def _wire(components: Components):
    """Connect the tab's own components to each other."""

    def keep_strokes(event: gr.EventData):
        return {"photo": event_value(event, "photo"), "picture": event_value(event, "picture")}, uuid4().hex

    def update_visibility(region, edit, colour):
        return (
            gr.Slider(visible=region == "hottest"),
            gr.HTML(visible=True if region == "brush" else "hidden"),
            gr.Radio(visible=edit == "repaint"),
            gr.ColorPicker(visible=edit == "repaint" and colour == CUSTOM),
        )

    choices = [components.region, components.edit, components.colour]
    optional = [components.percent, components.pad, components.colour, components.custom_colour]
    components.pad.select(keep_strokes, None, [components.strokes, components.drawing], queue=False, **QUIET)
    gr.on([choice.change for choice in choices], update_visibility, choices, optional, queue=False, **QUIET)


def _drawn_region(explained, strokes):
    """The region drawn on the explained photo; None without strokes, or where they were drawn on another photo."""
    if not strokes or strokes.get("photo") != name_of(explained.photo) or not strokes.get("picture"):
        return None
    height, width = explained.photo.shape[:2]
    return read_strokes(strokes["picture"], width, height)


def _hex(colour):
    """A colour picker's value, "rgba(r, g, b, a)" or "#rrggbb", as the latter."""
    channels = re.match(r"rgba?\((\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?)", colour)
    if not channels:
        return colour
    return "#" + "".join(f"{min(round(float(channel)), 255):02x}" for channel in channels.groups())
