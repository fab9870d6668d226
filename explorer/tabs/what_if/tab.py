"""The tab What if?: change a part of the photo, and compare what the model says."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import gradio as gr
from gradio.components import Component

from explorer.controls import (
    EXPLAIN_ONLY,
    ONE_AT_A_TIME,
    QUIET,
    Controls,
    Group,
    components_of,
    debounced,
    handler,
)
from explorer.explanation.service import ExplanationService
from explorer.labels import labelled
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import Examples
from explorer.photos.grown import TOLERANCE, TOLERANCES
from explorer.rendering.static import script
from explorer.server.errors import as_sentence
from explorer.server.upload import save_for_download
from explorer.server.values import MAX_TEXT, event_value

from .answers import ALL, Answers
from .change import EDITS, REGIONS
from .pad import PADS, pad_after_click
from .settings import CUSTOM, HUE_DEGREES, PERCENTS, EditSettings

ANSWER_SCRIPT, PAD_SCRIPT = script("curtain.js"), script("brush.js", "click.js")
HEAT_SCRIPT, WHEEL_SCRIPT = script("shades.js", "lightbox.js"), script("hues.js")

REGION_LABELS = {"hottest": "Hottest part", "click": "Click on it", "brush": "Draw it"}
EDIT_LABELS = {"repaint": "Repaint", "blur": "Blur", "fill": "Fill with the mean of the rest"}
COPIED = 40  # characters of a photo's name that an event may send


@dataclass(frozen=True)
class Components:
    """The tab's components."""

    red_pot: gr.Button
    region: gr.Radio
    not_offered: gr.HTML
    percent: gr.Slider
    edit: gr.Radio
    colour: gr.Radio
    custom_colour: gr.ColorPicker
    tolerance: gr.Slider
    pad: gr.HTML
    answer: gr.HTML
    card: gr.Button
    saved: gr.DownloadButton  # hidden: the card, to be taken
    hues: gr.HTML
    hue_heat: gr.HTML
    more: gr.HTML
    points: gr.Textbox  # hidden: what was clicked, see EditSettings
    drawing: gr.Textbox  # hidden: a new id for each drawing, since the browser never learns a State's value
    hue: gr.Textbox  # hidden: where the wheel rests
    turning: gr.Textbox  # hidden: a new text for each question that the wheel asks
    strokes: gr.State
    displaced: gr.State  # the region that gave way to another, see regions.settled

    @property
    def asking(self) -> Group:
        """What an answer depends on: all settings but the hue, whose answers are the wheel's."""
        colours = self.colour, self.custom_colour
        return Group(
            EditSettings, (self.region, self.percent, self.edit, *colours, self.tolerance, self.points, self.strokes)
        )

    @property
    def settings(self) -> Group:
        """All settings, as one EditSettings: what a link may hold, but for what was drawn."""
        return Group(EditSettings, (*self.asking.components, self.hue))

    @property
    def shown(self) -> list[Component]:
        """What an answer fills, in the order of answers.Shown."""
        answer = [self.pad, self.answer, self.hues, self.hue_heat, self.more]
        return [*answer, self.not_offered, self.displaced, self.region]


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples) -> Components:
    """Lay the tab out in the current Tabs and wire it. Its settings, for links, are `Components.settings`."""
    answers = Answers(service, examples)

    def show(*arguments):
        *shown, region = answers.show(*arguments)
        return *_kept(shown), gr.skip() if region is None else gr.Radio(value=region)

    def choose_red_pot():
        return str(examples.story.file), "pot", "repaint", "red"

    with gr.Tab("What if?", id="what-if") as tab:
        own = _lay_out(marked=examples.story.mask is not None)
    red_pot = [controls.photo, own.region, own.edit, own.colour]
    own.red_pot.click(choose_red_pot, None, red_pot, queue=False, **QUIET)
    _wire_controls(own)
    _wire_pad(own, controls, service)
    inputs = [controls.photo, controls.view, own.asking, own.displaced]
    controls.bind(tab, show, inputs, own.shown, also=[own.drawing], unused=EXPLAIN_ONLY)
    _wire_card(own, controls, answers)
    _wire_wheel(own, controls, answers, f"front === '{tab.id}'")
    return own


def _lay_out(marked: bool) -> Components:
    """marked: whether the opening photo has a mask, so that its pot is known."""
    html: dict[str, Any] = {"apply_default_css": False}
    red_pot = gr.Button("Give Rudo his red pot back", variant="primary", visible=marked, elem_id="red-pot")
    regions = labelled(REGIONS, REGION_LABELS)
    region = gr.Radio(regions, value="pot" if marked else "hottest", label="What if this …", elem_id="region")
    missing = gr.HTML(js_on_load=script("not_offered.js"), elem_id="not-offered", **html)
    share = "Hottest share, in % of the pixels"
    percent = gr.Slider(*PERCENTS, 10, step=1, label=share, visible=not marked, elem_id="percent")
    with gr.Row():
        edits, colours = labelled(EDITS, EDIT_LABELS), labelled((*POT_COLOURS, CUSTOM))
        edit = gr.Radio(edits, value="repaint", label="… looked otherwise?", min_width=260, elem_id="edit")
        colour = gr.Radio(colours, value="red", label="Colour", min_width=260, elem_id="colour")
        custom_colour = gr.ColorPicker("#7a3fb0", label="Another colour", visible=False, elem_id="own-colour")
    alike = "How far from the clicked colour"
    tolerance = gr.Slider(*TOLERANCES, TOLERANCE, step=1, label=alike, visible=False, elem_id="tolerance")
    pad = gr.HTML(visible="hidden", js_on_load=PAD_SCRIPT, elem_id="pad", **html)
    answer = gr.HTML(js_on_load=ANSWER_SCRIPT, elem_id="what-if-answer", **html)
    card = gr.Button("Save a picture to share", size="sm", elem_id="card")
    saved = gr.DownloadButton(visible="hidden", elem_id="saved-card")
    hues = gr.HTML(js_on_load=WHEEL_SCRIPT, elem_id="hues", **html)
    hue_heat = gr.HTML(js_on_load=HEAT_SCRIPT, elem_id="hue-heat", **html)
    rest = gr.HTML(js_on_load=HEAT_SCRIPT, elem_id="what-if-more", **html)
    hidden = [gr.Textbox("", visible="hidden", elem_id=name) for name in ("clicked", "drawn", "hue", "turning")]
    points, drawing, hue, turning = hidden
    states = gr.State(None), gr.State("")
    chosen = red_pot, region, missing, percent, edit, colour, custom_colour, tolerance, pad
    return Components(*chosen, answer, card, saved, hues, hue_heat, rest, points, drawing, hue, turning, *states)


def _wire_controls(own: Components):
    """Show the controls that the choices need."""

    def update_visibility(region, edit, colour):
        return (
            gr.Slider(visible=region == "hottest"),
            gr.Slider(visible=region == "click"),
            gr.HTML(visible=True if region in PADS else "hidden"),
            gr.Radio(visible=edit == "repaint"),
            gr.ColorPicker(visible=edit == "repaint" and colour == CUSTOM),
        )

    choices = [own.region, own.edit, own.colour]
    optional = [own.percent, own.tolerance, own.pad, own.colour, own.custom_colour]
    gr.on([choice.change for choice in choices], update_visibility, choices, optional, queue=False, **QUIET)


def _wire_pad(own: Components, controls: Controls, service: ExplanationService):
    """What was drawn or clicked is kept, and a clicked region outlined before the model is asked."""

    def keep(file, model, tolerance, event: gr.EventData):
        photo, mode = str(event_value(event, "photo"))[:COPIED], event_value(event, "mode", PADS)
        if mode == "brush":
            strokes = {"photo": photo, "picture": event_value(event, "picture")}
            return strokes, uuid4().hex, gr.skip(), gr.skip()
        points = str(event_value(event, "points"))[: MAX_TEXT - 2 * COPIED]
        pad = pad_after_click(service, file, model, points, photo, tolerance)
        return gr.skip(), gr.skip(), f"{points.strip()} @{photo}", gr.skip() if pad is None else pad

    clicked = [controls.photo, controls.model, own.tolerance]
    another = [controls.examples.select, controls.photo.input]
    gr.on(another, None, own.points, own.points, js=script("points_kept.js"), **QUIET)
    own.pad.select(keep, clicked, [own.strokes, own.drawing, own.points, own.pad], queue=False, **QUIET)


def _wire_card(own: Components, controls: Controls, answers: Answers):
    """The button makes the picture, and then takes it."""

    def save_card(*arguments):
        with as_sentence():
            picture = answers.card(*arguments)
        return save_for_download(picture, "where-did-it-look.jpg", own.saved.GRADIO_CACHE)

    inputs = [controls.photo, controls.view, own.asking]
    options: dict[str, Any] = {"show_progress_on": own.answer, **QUIET, **ONE_AT_A_TIME}
    saved = own.card.click(handler(save_card, inputs), components_of(inputs), own.saved, **options)
    saved.then(None, js=script("take.js", button="saved-card"), **QUIET)


def _wire_wheel(own: Components, controls: Controls, answers: Answers, in_front: str):
    """A question of the wheel is written down, and its change alone asks the server."""

    def ask(event: gr.EventData):
        wanted = str(event_value(event, "wanted", (ALL, *HUE_DEGREES)))
        return f"{wanted} {uuid4().hex}", gr.skip() if wanted == ALL else wanted

    def turn(*arguments):
        return _kept(answers.turn(*arguments))

    own.hues.select(ask, None, [own.turning, own.hue], queue=False, **QUIET)
    inputs = [controls.photo, controls.view, own.asking, own.turning]
    asked = debounced([own.turning], controls.front, in_front)
    options: dict[str, Any] = {"trigger_mode": "always_last", **QUIET, **ONE_AT_A_TIME}
    asked.change(handler(turn, inputs), components_of(inputs), [own.hues, own.hue_heat], **options)


def _kept(values):
    """For each None what is there already."""
    return [gr.skip() if value is None else value for value in values]
