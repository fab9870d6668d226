"""/step_by_step: the steps of one heatmap in numbers and pictures, for callers."""

import gradio as gr

from explorer.controls import ONE_AT_A_TIME, PHOTO_LABEL, layer_box, model_box, target_box
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.server.picture_files import saved_pictures_exactly
from explorer.server.upload import upload
from explorer.settings import View

from .breakdown import captioned_pictures, steps_of_file


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /step_by_step. Nothing of it is shown."""

    def step_by_step(image, model, target, layer):
        """One Grad-CAM heatmap taken apart: the weight of every feature map, their sum, what the ReLU left.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF)
            model: a name that /models lists, or an image classifier of the Hub as owner/name
            target: what is explained: a class, their mixture, "predicted"; of a model that answers with a number, where it should go
            layer: deepest, or a layer that /models lists for the model

        Returns:
            steps: model, method, target, layer, score, logits by class, map_shape, weights (index and weight of each map, heaviest
            first), sum_min, sum_max, positive_share, peak, empty, heat_by_top_maps, summary (each layer of the network), note
            gallery: the 16 heaviest feature maps, then the weighted sum, after ReLU, over the photo
        """  # noqa: E501 (Gradio takes an argument's description from one line only)
        with as_sentence():
            steps = steps_of_file(service, image, model, target, layer, cancellable())
        captioned = captioned_pictures(steps, View())
        pictures = [(caption.partition(" · ")[0], pixels, caption) for pixels, caption in captioned]
        return steps.report(), saved_pictures_exactly(pictures, gallery.GRADIO_CACHE)

    with gr.Column(visible=False):
        image = upload(label=PHOTO_LABEL)
        model, target, layer = model_box(default_model), target_box(), layer_box()
        numbers = gr.JSON(label="steps: score, weights, sum_min, sum_max, peak, empty, summary")
        gallery = gr.Gallery(
            format="png", object_fit="contain", label="the heaviest feature maps, then sum, ReLU, overlay"
        )
        trigger = gr.Button()

    inputs = [image, model, target, layer]
    trigger.click(step_by_step, inputs, [numbers, gallery], api_name="step_by_step", **ONE_AT_A_TIME)
