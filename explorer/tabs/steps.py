"""The tab Step by step: one Grad-CAM heatmap taken apart, and the same in numbers for callers."""

import gradio as gr

import potplants

from .. import steps
from ..examples import Examples
from ..markup import refusal
from ..steps_markup import walkthrough
from ..study import COLUMNS, PREDICTED, Studies, choices
from .desk import ONE_AT_A_TIME, Desk
from .patience import watched
from .pictures import filed_exactly
from .refusals import EXPECTED, as_sentence
from .upload import upload


def endpoint(studies: Studies, examples: Examples, default_model: str):
    """Define /step_by_step. Nothing of it is shown."""

    def step_by_step(image, model, target, layer):
        """One Grad-CAM heatmap taken apart: the weight of every feature map, their sum, what the ReLU left.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF); one that is not square is seen with grey bars
            model: a name that /models lists
            target: what is explained: a class, their mixture, "predicted"; of a model that answers with a number, where it should go
            layer: the convolution, from the shallowest, conv1, to the deepest

        Returns:
            steps: model, method, target, layer, score, logits by class, map_shape, weights (index and weight of each map, heaviest
            first), sum_min, sum_max, positive_share, peak, empty, heat_by_top_maps, summary (each layer of the network), note
            gallery: the 16 heaviest feature maps, then the weighted sum, after ReLU, over the photo
        """
        with as_sentence():
            taken = _take(studies, image, model, target, layer, watched())
        pictures = [(caption.partition(" · ")[0], pixels, caption) for pixels, caption in steps.gallery(taken)]
        return taken.report(), filed_exactly(pictures, gallery.GRADIO_CACHE)

    with gr.Column(visible=False):
        image = upload(label="image: a photo of a pot plant")
        model = gr.Dropdown(list(potplants.MODELS), value=default_model, label="model: a name that /models lists")
        target = gr.Dropdown(_targets(), value=PREDICTED, label="target: the class to explain, or what else a model can be asked")
        layer = gr.Dropdown(list(COLUMNS), value=COLUMNS[-1], label="layer: the convolution, shallow to deep")
        numbers = gr.JSON(label="steps: score, weights, sum_min, sum_max, peak, empty, summary")
        gallery = gr.Gallery(format="png", object_fit="contain", label="the heaviest feature maps, then sum, ReLU, overlay")
        trigger = gr.Button()

    asked = [image, model, target, layer]
    trigger.click(step_by_step, asked, [numbers, gallery], api_name="step_by_step", **ONE_AT_A_TIME)


def tab(desk: Desk, studies: Studies, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""

    def show(file, model, method, target, layer, base, colormap, progress=gr.Progress()):  # noqa: B008 (Gradio finds it there)
        try:
            taken = _take(studies, file, model, target, layer, watched(progress))
            return walkthrough(taken, base, colormap, method)
        except EXPECTED as error:
            return refusal(str(error))

    with gr.Tab("Step by step", id="steps") as tab:
        story = gr.HTML(elem_id="steps", apply_default_css=False)

    asked = [desk.photo, desk.model, desk.method, desk.target, desk.layer, desk.base, desk.colormap]
    desk.keep(tab, show, asked, [story])


def _take(studies, file, model, target, layer, progress):
    study = studies.of(file, model, steps.METHOD, progress)
    return steps.steps_of(studies.device, study, target, layer)


def _targets():
    """What any of the models can be asked."""
    return list(dict.fromkeys(target for model in potplants.MODELS.values() for target in choices(model)))
