"""The tab Trust: methods against chance, a model that forgets, costs, training seeds."""

import time
from typing import Any

import gradio as gr

from explorer.controls import ONE_AT_A_TIME, QUIET, Controls
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.cancellation import cancellable
from explorer.server.errors import EXPECTED

from . import view
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

    def check(file, model, method, target, layer, base, colormap, progress=gr.Progress()):  # noqa: B008
        try:
            found = checks.checks(file, model, method, target, layer, examples.mask_of(file), cancellable(progress))
            sanity, seeds = view.sanity(found, base, colormap), view.seeds(found, base, colormap)
        except EXPECTED as error:
            return error_message(str(error)), "", "", "", gr.skip()
        already = checks.measured_already(found.subject)
        if already is None:
            return view.waiting(), sanity, "", seeds, time.monotonic()
        table, costs = view.methods(already, base, colormap, method), view.costs(already, base, colormap)
        return table, sanity, costs, seeds, gr.skip()

    def measure(due, file, model, method, target, layer, base, colormap, progress=gr.Progress()):  # noqa: B008
        if due is None:  # Gradio tells of a state's change also when a session begins
            return gr.skip(), gr.skip()
        try:
            found = checks.measured(file, model, target, layer, examples.mask_of(file), cancellable(progress))
            return view.methods(found, base, colormap, method), view.costs(found, base, colormap)
        except EXPECTED as error:
            return error_message(str(error)), ""

    with gr.Tab("Trust", id="trust") as tab:
        gr.Markdown(INTRO)
        methods = gr.HTML(elem_id="trust-methods", **PICTURES)
        sanity = gr.HTML(elem_id="trust-sanity", **PICTURES)
        costs = gr.HTML(elem_id="trust-costs", **PICTURES)
        seeds = gr.HTML(elem_id="trust-seeds", **PICTURES)
        with gr.Accordion("How the verdicts are reached", open=False):
            gr.Markdown(view.RULES)
        due = gr.State()  # when the checks were shown without the table: then it is due

    asked = [
        controls.photo,
        controls.model,
        controls.method,
        controls.target,
        controls.layer,
        controls.base,
        controls.colormap,
    ]
    controls.bind(tab, check, asked, [methods, sanity, costs, seeds, due])
    due.change(measure, [due, *asked], [methods, costs], trigger_mode="always_last", **QUIET, **ONE_AT_A_TIME)
