"""The tab Trust: methods against random maps, the sanity check, costs, training seeds."""

import time
from typing import Any

import gradio as gr

from explorer.controls import ONE_AT_A_TIME, QUIET, Caller, Controls, components_of, handler
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.errors import EXPECTED
from explorer.settings import View

from . import view as html
from .checks import Trust

LIGHTBOX = script("shades.js", "lightbox.js")
PICTURES: dict[str, Any] = {"js_on_load": LIGHTBOX, "apply_default_css": False}

INTRO = (
    "A heatmap is a claim. Here it is tested: against maps that know nothing, on a model made to forget, "
    "and on networks that differ only by chance."
)


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it: the quick checks first, then those that take seconds."""
    handlers = _Handlers(service.shared(Trust), examples)
    with gr.Tab("Trust", id="trust") as tab:
        gr.Markdown(INTRO)
        methods = gr.HTML(elem_id="trust-methods", **PICTURES)
        sanity = gr.HTML(elem_id="trust-sanity", **PICTURES)
        costs = gr.HTML(elem_id="trust-costs", **PICTURES)
        seeds = gr.HTML(elem_id="trust-seeds", **PICTURES)
        with gr.Accordion("How the verdicts are reached", open=False):
            gr.Markdown(html.RULES)
        due = gr.State()  # when the checks were shown without the table, which is then to be measured

    inputs = [controls.photo, controls.view]
    controls.bind(tab, handlers.check, inputs, [methods, sanity, costs, seeds, due], unused=["scale", "outline"])
    due.change(
        handler(handlers.measure, [due, *inputs]),
        components_of([due, *inputs]),
        [methods, costs],
        trigger_mode="always_last",
        **QUIET,
        **ONE_AT_A_TIME,
    )


class _Handlers:
    """The handlers of the tab's events."""

    def __init__(self, trust: Trust, examples: Examples):
        self._trust, self._examples = trust, examples

    def check(self, file, view: View, caller: Caller):
        """The quick checks, and the table and the costs if they are cached."""
        try:
            mask = self._examples.mask_of(file)
            checks = self._trust.checks(file, view.model, view.method, view.target, view.layer, mask, caller.progress)
            sanity, seeds = html.sanity(checks, view), html.seeds(checks, view)
        except EXPECTED as error:
            return error_message(str(error)), "", "", "", gr.skip()
        measured = self._trust.cached_measured(checks.tested)
        if measured is None:
            return html.waiting(), sanity, "", seeds, time.monotonic()
        return html.methods(measured, view), sanity, html.costs(measured, view), seeds, gr.skip()

    def measure(self, due, file, view: View, caller: Caller):
        """The table and the costs."""
        if due is None:  # Gradio reports a change of a state also when a session begins
            return gr.skip(), gr.skip()
        try:
            mask = self._examples.mask_of(file)
            measured = self._trust.measured(file, view.model, view.target, view.layer, mask, caller.progress)
            return html.methods(measured, view), html.costs(measured, view)
        except EXPECTED as error:
            return error_message(str(error)), ""
