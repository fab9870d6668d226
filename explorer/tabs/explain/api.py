"""The endpoints for callers: the explorer without a page, by parameter name. They are defined before any tab."""

import gradio as gr

import potplants
from explorer.controls import ONE_AT_A_TIME
from explorer.explanation.grid import BASES, draw
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.server.picture_files import saved_pictures
from explorer.server.upload import save_for_download, upload
from explorer.settings import View
from gradcam import COLORMAPS, METHODS, SCALES

from .archive import maps


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /explain, /heatmaps and /models. Nothing of it is shown."""

    def explain(image, model, method, base, colormap, scale):
        """Where the classifier looked: one captioned picture per class and layer, row by row, then a report.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF); one that is not square is seen with grey bars
            model: a name that /models lists
            method: the CAM method
            base: what lies under the heat: the photo's edges, the photo, or nothing
            colormap: the colours of the heat, from no evidence to the strongest
            scale: whether each map is scaled by its own peak, or all by the strongest

        Returns:
            gallery: pictures with captions; the last column combines all layers, the last row mixes all classes
            report: model, predicted, classes (name, logit, probability), layers, cells (target, layer, peak, empty)
        """
        with as_sentence():
            explained = service.explain_file(image, model, method, cancellable())
            cells = draw(explained, View(base=base, colormap=colormap, scale=scale))
        pictures = [(f"{cell.target}-{cell.column}", cell.picture, cell.caption) for row in cells for cell in row]
        return gallery.postprocess(saved_pictures(pictures, gallery.GRADIO_CACHE)), explained.report()

    def heatmaps(image, model, method):
        """The raw evidence behind the pictures, as an .npz file.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF)
            model: a name that /models lists
            method: the CAM method

        Returns:
            file: heatmaps float32 [K, L, H, W] (not normalised), logits [N], classes (the N classes), targets (the
            K rows: the classes, then their mixture), layers (L names)
        """
        with as_sentence():
            explained = service.explain_file(image, model, method, cancellable())
        return save_for_download(maps(explained), "heatmaps.npz", file.GRADIO_CACHE)

    def models():
        """The models that can be asked for: name, origin of the weights, whether they can be had now, classes, layers."""
        return potplants.availability()

    with gr.Column(visible=False):
        image = upload(label="image: a photo of a pot plant")
        model = gr.Dropdown(list(potplants.MODELS), value=default_model, label="model: a name that /models lists")
        method = gr.Dropdown(list(METHODS), value="Grad-CAM", label="method: the CAM method")
        base = gr.Dropdown(list(BASES), value="edges", label="base: what lies under the heat")
        colormap = gr.Dropdown(list(COLORMAPS), value="jet", label="colormap: the colours of the heat")
        scale = gr.Dropdown(
            list(SCALES),
            value="each map",
            label="scale: the hottest colour is each map's peak, or the strongest of all",
        )
        gallery = gr.Gallery(object_fit="contain", label="one captioned picture per class and layer, row by row")
        report = gr.JSON(label="report: model, predicted, classes, layers, cells")
        file = gr.File(label="an .npz file: heatmaps [K, L, H, W], logits [N], classes, targets, layers")
        listing = gr.JSON(label="one entry per model")
        trigger = gr.Button()

    asked = [image, model, method, base, colormap, scale]
    # what is returned is as it shall be sent: Gradio would look at each picture's path twice, once for a copy of the page that nobody keeps
    trigger.click(explain, asked, [gallery, report], api_name="explain", postprocess=False, **ONE_AT_A_TIME)
    trigger.click(heatmaps, [image, model, method], file, api_name="heatmaps", **ONE_AT_A_TIME)
    trigger.click(models, None, listing, api_name="models")
