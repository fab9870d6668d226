"""The tab Step by step: one Grad-CAM heatmap taken apart."""

import gradio as gr

from explorer.controls import Controls
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.server.cancellation import cancellable
from explorer.server.errors import EXPECTED

from .breakdown import steps_of_file
from .view import walkthrough


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
        progress=gr.Progress(),  # noqa: B008 (Gradio finds it there)
    ):
        try:
            taken = steps_of_file(service, file, model, target, layer, cancellable(progress))
            return walkthrough(taken, base, colormap, method)
        except EXPECTED as error:
            return error_message(str(error))

    with gr.Tab("Step by step", id="steps") as tab:
        story = gr.HTML(elem_id="steps", apply_default_css=False)

    asked = [
        controls.photo,
        controls.model,
        controls.method,
        controls.target,
        controls.layer,
        controls.base,
        controls.colormap,
    ]
    controls.bind(tab, show, asked, [story])
