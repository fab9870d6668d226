"""The tab Explain: the model's prediction, and the grid of heatmaps."""

import os

import gradio as gr

import classifiers
from explorer.controls import ONE_AT_A_TIME, QUIET, Caller, Controls, components_of, handler
from explorer.explanation.cam_layer import NoCam
from explorer.explanation.grid import shaded
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import error_message
from explorer.rendering.static import script
from explorer.rendering.wording import file_name
from explorer.server.errors import EXPECTED, as_sentence
from explorer.server.upload import save_for_download
from explorer.server.values import event_value, name_in
from explorer.settings import NOBODY, View
from gradcam import METHODS

from .archive import archive
from .view import beside, copied, matrix, no_cam, verdict

ASK, DOWNLOAD, GRID = (
    script("ask.js"),
    script("take.js", button="saved"),
    script("shades.js", "lightbox.js", "crosshair.js"),
)
COPY = script("copy.js", space=os.environ.get("SPACE_ID", ""))  # a Space's page has the app in a frame

ABOUT = """
**Grad-CAM in three sentences.** A convolutional layer turns the photo into a stack of maps, each bright where the
layer found its own pattern. Grad-CAM asks how much the score of a class would rise if a whole map grew a little,
weighs every map by the answer, and adds them up. What is left above zero is where this layer found evidence *for*
that class.

**What it cannot tell.** It says where, not what: a hot pot may mean its colour, its rim or its shine — change the pot
and look again. It shows evidence for one class, and leaves out what speaks against it. The deepest layer is coarse,
the first sees little but edges and colours; neither is “the” explanation. A weak map looks as bright as a strong one
unless the scale is shared, so read the peak under each cell. And heat is evidence, not proof: networks trained alike
but for their random seed behave alike and can still differ in their heat.

**Sources.** Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*,
2017 (arXiv:1610.02391). Conor O'Sullivan, *Explaining computer vision models with Grad-CAM* (A Data Odyssey), whose
classifier and story these are; Pot Plant Dataset, CC BY 4.0 (Kaggle: conorsully1/pot-plants).
"""


def open_steps(event: gr.EventData):
    """Target, layer and tab for the cell of the grid that is to be taken apart."""
    return name_in(event, "explained"), name_in(event, "column"), gr.Tabs(selected="steps")


def ask_another(event: gr.EventData):
    """The model or the method of a button in the verdict."""
    if "method" in (event._data or {}):
        return gr.skip(), event_value(event, "method", METHODS)
    return event_value(event, "model", classifiers.names()), gr.skip()


def answered(service: ExplanationService, examples: Examples, file, view: View, caller: Caller) -> tuple[str, str]:
    """The verdict and the grid, or both classifiers' grids."""
    try:
        explained = service.explain_file(file, view.model, view.method, caller.progress, view.target)
        sheet = shaded(explained, view)
        selected = explained.target(view.target), explained.column(view.layer)
    except NoCam as error:
        return no_cam(str(error)), ""
    except EXPECTED as error:
        return error_message(str(error)), ""
    words = verdict(explained, examples.known(file))
    if view.beside in (NOBODY, view.model):
        return words, matrix(explained, sheet, view, selected)
    return words, beside((explained, sheet), _second(service, file, view, caller), view, selected)


def _second(service, file, view, caller):
    """What the classifier beside it says, or a sentence on why it cannot."""
    try:
        explained = service.explain_file(file, view.beside, view.method, caller.progress)
        return explained, shaded(explained, view)
    except EXPECTED as error:
        return str(error)


def build(controls: Controls, tabs: gr.Tabs, service: ExplanationService, examples: Examples):
    """Lay the tab out in the current `tabs` and wire it."""

    def show(file, view, caller):
        return answered(service, examples, file, view, caller)

    def save(file, link, view, caller):
        with as_sentence():
            explained = service.explain_file(file, view.model, view.method, caller.progress, view.target)
            data = archive(explained, view, link, examples.truth(file, explained.model.classes))
        return save_for_download(data, f"{file_name(view.model)}-{view.method}.zip", download.GRADIO_CACHE)

    with gr.Tab("Explain", id="explain") as tab:
        prediction = gr.HTML(elem_id="verdict", js_on_load=ASK, apply_default_css=False)
        grid = gr.HTML(elem_id="grid", js_on_load=GRID, apply_default_css=False)
        with gr.Row(elem_id="keep"):
            save_button = gr.Button("Save figure, maps and report", size="sm", min_width=120)
            copy_button = gr.Button("Copy link to this view", size="sm", min_width=120)
            gr.HTML(copied(), elem_id="copy-status", apply_default_css=False)
            download = gr.DownloadButton(visible="hidden", elem_id="saved")
        with gr.Accordion("What is this, and what can it not tell?", open=True, elem_id="about"):
            gr.Markdown(ABOUT)

    inputs = [controls.photo, controls.link, controls.view]
    saved = save_button.click(
        handler(save, inputs), components_of(inputs), download, show_progress_on=grid, **QUIET, **ONE_AT_A_TIME
    )
    saved.then(None, js=DOWNLOAD, **QUIET)
    copy_button.click(None, js=COPY, **QUIET)
    prediction.select(ask_another, None, [controls.model, controls.method], queue=False, **QUIET)
    grid.select(open_steps, None, [controls.target, controls.layer, tabs], queue=False, **QUIET)
    controls.bind(tab, show, [controls.photo, controls.view], [prediction, grid], shown_again=True)
