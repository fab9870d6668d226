"""The tab Step by step: how one Grad-CAM heatmap is computed."""

import gradio as gr

from explorer.controls import EXPLAIN_ONLY, Controls
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.server.errors import EXPECTED

from .breakdown import steps_of_file
from .view import walkthrough


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""

    def show(file, view, caller):
        try:
            breakdown = steps_of_file(service, file, view.model, view.target, view.layer, caller.progress)
            return walkthrough(breakdown, view)
        except EXPECTED as error:
            return error_message(str(error))

    with gr.Tab("Step by step", id="steps") as tab:
        steps = gr.HTML(elem_id="steps", apply_default_css=False)

    controls.bind(tab, show, [controls.photo, controls.view], [steps], unused=EXPLAIN_ONLY)
