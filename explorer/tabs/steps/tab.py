"""The tab Step by step: how one Grad-CAM heatmap is computed."""

import gradio as gr

from explorer.controls import EXPLAIN_ONLY, ONE_AT_A_TIME, QUIET, Controls, components_of
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.server.cancellation import cancellable
from explorer.server.errors import EXPECTED
from explorer.server.values import event_value
from explorer.settings import View

from .breakdown import steps_of_file
from .strongest import Strongest
from .view import strongest_photos, walkthrough

MOST_MAPS = 10_000  # of a layer, for a number that a page sends


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""
    strongest = service.shared(Strongest, examples)

    def show(file, view, caller):
        try:
            breakdown = steps_of_file(service, file, view.model, view.target, view.layer, caller.progress)
            return walkthrough(breakdown, view)
        except EXPECTED as error:
            return error_message(str(error))

    def show_strongest(event: gr.EventData, *values):
        """The photos of the map whose button was pressed."""
        view, k = View(*values), int(str(event_value(event, "map", [str(k) for k in range(MOST_MAPS)])))
        try:
            found = strongest.of(view.model, view.layer, cancellable())
            return strongest_photos(k, found, len(strongest.photos(service.classifier(view.model))), view)
        except EXPECTED as error:
            return error_message(str(error))

    with gr.Tab("Step by step", id="steps") as tab:
        steps = gr.HTML(elem_id="steps", js_on_load=script("terms.js"), apply_default_css=False)
        sheet = gr.HTML(elem_classes="sheet", js_on_load=script("sheet.js"), apply_default_css=False)

    chosen, options = components_of([controls.view]), {"show_progress_on": steps, **QUIET, **ONE_AT_A_TIME}
    steps.select(show_strongest, chosen, sheet, **options)
    controls.bind(tab, show, [controls.photo, controls.view], [steps], unused=EXPLAIN_ONLY, shown_again=True)
