"""The tab Explain: a photo on the left, on the right what the model said and the grid of where it looked."""

from pathlib import Path

import gradio as gr

import potplants
from gradcam import COLORMAPS, METHODS, SCALES

from ..examples import Examples
from ..grid import BASES, draw
from ..markup import matrix, refusal, strip, verdict
from ..study import Studies
from .callers import ONE_AT_A_TIME
from .refusals import EXPECTED
from .upload import upload

LIGHTBOX = (Path(__file__).parent.parent / "lightbox.js").read_text()
PRESS = "element.addEventListener('click', (e) => { const b = e.target.closest('button'); if (b) trigger('select', { index: Number(b.dataset.index) }); });"

BASE_LABELS = {"edges": "edges (the article's)", "photo": "photo", "none": "none"}
COLORMAP_LABELS = {
    "jet": "jet (the article's)",
    "viridis": "viridis (even steps)",
    "cividis": "cividis (even steps, colour-blind safe)",
}
SCALE_LABELS = {"each map": "each map", "shared": "shared over the grid"}

ABOUT = """
**Grad-CAM in three sentences.** A convolutional layer turns the photo into a stack of maps, each bright where the layer found its
own pattern. Grad-CAM asks how much the score of a class would rise if a whole map grew a little, weighs every map by the answer, and adds
them up. What is left above zero is where this layer found evidence *for* that class.

**What it cannot tell.** It says where, not what: a hot pot may mean its colour, its rim or its shine — change the pot and look again.
It shows evidence for one class, and leaves out what speaks against it. The deepest layer is coarse, the first
sees little but edges and colours; neither is “the” explanation. A weak map looks as bright as a strong one unless the scale is shared, so read the peak
under each cell. And heat is evidence, not proof: networks trained alike but for their random seed behave alike and can still differ in their heat.

**Sources.** Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, 2017 (arXiv:1610.02391).
Conor O'Sullivan, *Explaining computer vision models with Grad-CAM* (A Data Odyssey), whose classifier and story these are;
Pot Plant Dataset, CC BY 4.0 (Kaggle: conorsully1/pot-plants).
"""


def tab(studies: Studies, examples: Examples, default_model: str):
    """Lay the tab out in the current Blocks and wire it. Returns what must run when the page opens."""

    def show(file, model, method, base, colormap, scale, progress=gr.Progress()):  # noqa: B008 (Gradio finds it there)
        try:
            study = studies.of(file, model, method, lambda part, task: progress(part, desc=task))
            cells = draw(study, base, colormap, scale)
        except EXPECTED as error:
            return refusal(str(error)), ""
        return verdict(study, examples.truth(file)), matrix(study, cells, colormap, scale)

    def pick(event: gr.EventData):
        return str(examples.shown[event.index].file)

    with gr.Row(equal_height=False, elem_id="explain"):
        with gr.Column(scale=4, min_width=320):
            photo = upload(
                value=str(examples.story.file),
                sources=["upload", "clipboard", "webcam"],  # the webcam stays off until it is chosen
                label="Photo",
                height=260,
                buttons=["fullscreen"],
                elem_id="photo",
            )
            pressed = gr.HTML(strip(examples), js_on_load=PRESS, apply_default_css=False, elem_id="examples")
            model = gr.Dropdown(_model_choices(), value=default_model, label="Model", elem_id="model")
            method = gr.Dropdown(list(METHODS), value="Grad-CAM", label="Method", elem_id="method")
            base = gr.Radio(_labelled(BASES, BASE_LABELS), value="edges", label="Heat lies over", elem_id="base")
            colormap = gr.Radio(_labelled(COLORMAPS, COLORMAP_LABELS), value="jet", label="Colours", elem_id="colormap")
            scale = gr.Radio(
                _labelled(SCALES, SCALE_LABELS),
                value="each map",
                label="Hottest colour is the peak of",
                elem_id="scale",
            )
        with gr.Column(scale=8, min_width=320):
            words = gr.HTML(elem_id="verdict", apply_default_css=False)
            grid = gr.HTML(elem_id="grid", js_on_load=LIGHTBOX, apply_default_css=False)
            with gr.Accordion("What is this, and what can it not tell?", open=True, elem_id="about"):
                gr.Markdown(ABOUT)

    asked, shown = [photo, model, method, base, colormap, scale], [words, grid]
    quiet = {"api_visibility": "private", "show_progress": "minimal"}
    pressed.select(pick, None, photo, queue=False, **quiet)
    gr.on([part.change for part in asked], show, asked, shown, trigger_mode="always_last", **quiet, **ONE_AT_A_TIME)
    return {"fn": show, "inputs": asked, "outputs": shown, **quiet, **ONE_AT_A_TIME}


def _labelled(names, labels):
    return [(labels[name], name) for name in names]


def _model_choices():
    return [(f"{name} ({model.trained_on})", name) for name, model in potplants.MODELS.items()]
