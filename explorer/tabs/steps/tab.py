"""The tab Step by step: one Grad-CAM heatmap taken apart."""

import gradio as gr

from explorer.controls import Desk
from explorer.explanation.service import Studies
from explorer.photos.examples import Examples
from explorer.rendering.parts import refusal
from explorer.server.cancellation import watched
from explorer.server.errors import EXPECTED

from .breakdown import steps_of_file
from .view import walkthrough


def build(desk: Desk, tabs: gr.Tabs, studies: Studies, examples: Examples):
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
            taken = steps_of_file(studies, file, model, target, layer, watched(progress))
            return walkthrough(taken, base, colormap, method)
        except EXPECTED as error:
            return refusal(str(error))

    with gr.Tab("Step by step", id="steps") as tab:
        story = gr.HTML(elem_id="steps", apply_default_css=False)

    asked = [desk.photo, desk.model, desk.method, desk.target, desk.layer, desk.base, desk.colormap]
    desk.keep(tab, show, asked, [story])
