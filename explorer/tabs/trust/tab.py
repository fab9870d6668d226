"""The tab Trust: methods against random maps, the sanity check, costs, training seeds."""

import time
from typing import Any

import gradio as gr

from explorer.controls import EXPLAIN_ONLY, ONE_AT_A_TIME, QUIET, Caller, Controls, components_of, handler
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.errors import EXPECTED
from explorer.settings import View

from . import view as html
from .checks import Trust
from .shipped import shipped

LIGHTBOX = script("shades.js", "lightbox.js")
PICTURES: dict[str, Any] = {"js_on_load": LIGHTBOX, "apply_default_css": False}

INTRO = (
    "A heatmap is a claim. Here it is tested: against maps that know nothing, on a model made to forget, "
    "and on networks that differ only by chance."
)


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it: what comes with the app at once, else the quick checks first."""
    handlers = _Handlers(service.shared(Trust), examples)
    with gr.Tab("Trust", id="trust") as tab:
        gr.Markdown(INTRO)
        origin = gr.HTML(elem_id="trust-origin", js_on_load=script("again.js"), apply_default_css=False)
        methods = gr.HTML(elem_id="trust-methods", **PICTURES)
        sanity = gr.HTML(elem_id="trust-sanity", **PICTURES)
        costs = gr.HTML(elem_id="trust-costs", **PICTURES)
        seeds = gr.HTML(elem_id="trust-seeds", **PICTURES)
        with gr.Accordion("How the verdicts are reached", open=False):
            gr.Markdown(html.RULES)
        due = gr.State()  # when the checks were shown without the table, which is then to be measured

    inputs, shown = [controls.photo, controls.view], [origin, methods, sanity, costs, seeds, due]
    controls.bind(tab, handlers.check, inputs, shown, unused=EXPLAIN_ONLY, progress_on=methods)
    # one progress at a time: the others keep what they show
    options: dict[str, Any] = {"trigger_mode": "always_last", "show_progress_on": methods, **QUIET, **ONE_AT_A_TIME}
    origin.select(handler(handlers.check_again, inputs), components_of(inputs), shown, **options)
    measured = [due, *inputs]
    due.change(handler(handlers.measure, measured), components_of(measured), [methods, costs], **options)


class _Handlers:
    """The handlers of the tab's events."""

    def __init__(self, trust: Trust, examples: Examples):
        self._trust, self._examples = trust, examples

    def check(self, file, view: View, caller: Caller):
        """The checks that come with the app; else the quick ones, and the table and the costs if they are cached."""
        try:
            mask = self._examples.mask_of(file)
            tested = self._trust.tested(file, view.model, view.target, view.layer, mask, caller.progress)
            kept = None if self._trust.cached_measured(tested) else shipped(tested, view.method)
            if kept is None:  # or it was computed here, by whoever asked for that
                return self._check(file, view, caller)
            return html.beforehand(), *_sections(kept.checks, kept.measured, view), gr.skip()
        except EXPECTED as error:
            return "", error_message(str(error)), "", "", "", gr.skip()

    def check_again(self, file, view: View, caller: Caller):
        """The checks, computed here."""
        try:
            return self._check(file, view, caller)
        except EXPECTED as error:
            return "", error_message(str(error)), "", "", "", gr.skip()

    def _check(self, file, view, caller):
        mask = self._examples.mask_of(file)
        checks = self._trust.checks(file, view.model, view.method, view.target, view.layer, mask, caller.progress)
        measured = self._trust.cached_measured(checks.tested)
        due = time.monotonic() if measured is None else gr.skip()
        return "", *_sections(checks, measured, view), due

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


def _sections(checks, measured, view):
    """Table, sanity check, costs and seeds as HTML; without the table a word that it is being measured."""
    table, costs = (
        (html.waiting(), "") if measured is None else (html.methods(measured, view), html.costs(measured, view))
    )
    return table, html.sanity(checks, view), costs, html.seeds(checks, view)
