"""The tab Trust: methods against chance, a model that forgets, costs, training seeds."""

import time
from typing import Any

import gradio as gr

from explorer.controls import ONE_AT_A_TIME, QUIET, Controls, components_of, handler
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.errors import EXPECTED

from . import view as views
from .checks import Trust

LIGHTBOX = script("lightbox.js")
PICTURES: dict[str, Any] = {"js_on_load": LIGHTBOX, "apply_default_css": False}

INTRO = (
    "A heatmap is a claim. Here it is tested: against maps that know nothing, on a model made to forget, "
    "and on networks that differ only by chance."
)


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it: the quick checks first, then what takes seconds."""
    checks = service.shared(Trust)

    def check(file, view, caller):
        try:
            asked = file, view.model, view.method, view.target, view.layer, examples.mask_of(file)
            found = checks.checks(*asked, caller.progress)
            sanity, seeds = views.sanity(found, view), views.seeds(found, view)
        except EXPECTED as error:
            return error_message(str(error)), "", "", "", gr.skip()
        already = checks.measured_already(found.subject)
        if already is None:
            return views.waiting(), sanity, "", seeds, time.monotonic()
        return views.methods(already, view), sanity, views.costs(already, view), seeds, gr.skip()

    def measure(due, file, view, caller):
        if due is None:  # Gradio tells of a state's change also when a session begins
            return gr.skip(), gr.skip()
        try:
            asked = file, view.model, view.target, view.layer, examples.mask_of(file)
            found = checks.measured(*asked, caller.progress)
            return views.methods(found, view), views.costs(found, view)
        except EXPECTED as error:
            return error_message(str(error)), ""

    with gr.Tab("Trust", id="trust") as tab:
        gr.Markdown(INTRO)
        methods = gr.HTML(elem_id="trust-methods", **PICTURES)
        sanity = gr.HTML(elem_id="trust-sanity", **PICTURES)
        costs = gr.HTML(elem_id="trust-costs", **PICTURES)
        seeds = gr.HTML(elem_id="trust-seeds", **PICTURES)
        with gr.Accordion("How the verdicts are reached", open=False):
            gr.Markdown(views.RULES)
        due = gr.State()  # when the checks were shown without the table: then it is due

    inputs = [controls.photo, controls.view]
    controls.bind(tab, check, inputs, [methods, sanity, costs, seeds, due], unused=["scale"])
    due.change(
        handler(measure, [due, *inputs]),
        components_of([due, *inputs]),
        [methods, costs],
        trigger_mode="always_last",
        **QUIET,
        **ONE_AT_A_TIME,
    )
