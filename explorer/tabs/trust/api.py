"""/trust: the figures of every check of the tab Trust, for callers."""

import gradio as gr

from explorer.controls import ONE_AT_A_TIME, PHOTO_LABEL, layer_box, model_box, target_box
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.server.upload import upload
from gradcam import METHODS

from .checks import Trust, report


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /trust. Nothing of it is shown."""

    def trust(image, model, method, target, layer):
        """Whether a heatmap can be believed: every method measured on this photo, the sanity check, the costs, other training seeds.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF)
            model: a name that /models lists, or an image classifier of the Hub as owner/name
            method: the CAM method of the sanity check and of the seeds; all are measured
            target: what is explained: a class, their mixture, "predicted"; of a model that answers with a number, where it should go
            layer: deepest, or a layer that /models lists for the model

        Returns:
            report: methods (name, forward_passes, backward_passes, ms, insertion, deletion, pot_share, plant_share, state, verdict, sentence),
            sanity (steps, verdict, sentence), costs (ways, verdict), seeds (networks, rank_correlations, verdict), ends; null was not measured
        """  # noqa: E501 (Gradio takes an argument's description from one line only; callers see the others as they stand)
        with as_sentence():
            mask, checker = examples.mask_of(image), service.shared(Trust)
            checks = checker.checks(image, model, method, target, layer, mask, cancellable())
            return report(checks, checker.measured(image, model, target, layer, mask, cancellable()))

    with gr.Column(visible=False):
        image, model = upload(label=PHOTO_LABEL), model_box(default_model)
        method = gr.Dropdown(list(METHODS), value="Grad-CAM", label="method: the CAM method that is checked")
        target, layer = target_box(), layer_box()
        numbers = gr.JSON(label="report: methods, sanity, costs, seeds")
        trigger = gr.Button()

    trigger.click(trust, [image, model, method, target, layer], numbers, api_name="trust", **ONE_AT_A_TIME)
