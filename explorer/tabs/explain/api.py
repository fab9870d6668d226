"""/explain, /heatmaps and /models: the explorer without a page, for callers."""

from dataclasses import dataclass

import gradio as gr

import classifiers
from explorer.controls import ONE_AT_A_TIME, PHOTO_LABEL, model_box
from explorer.explanation.grid import BASES, draw
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.server.picture_files import sent_pictures
from explorer.server.upload import save_for_download, sent_file, upload
from explorer.settings import View
from gradcam import COLORMAPS, METHODS, SCALES

from .archive import maps


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /explain, /heatmaps and /models. Nothing of it is shown."""
    with gr.Column(visible=False):
        inputs = _inputs(default_model)
        gallery = gr.Gallery(object_fit="contain", label="one captioned picture per class and layer, row by row")
        report = gr.JSON(label="report: model, predicted, classes, layers, cells")
        file = gr.File(label="an .npz file: heatmaps [K, L, H, W], logits [N], classes, targets, layers")
        listing = gr.JSON(label="one entry per model")
        trigger = gr.Button()
    endpoints = Endpoints(service, gallery, file)
    plain = {"preprocess": False, "postprocess": False, **ONE_AT_A_TIME}  # see explorer/server/validation.py
    trigger.click(endpoints.explain, inputs, [gallery, report], api_name="explain", **plain)
    trigger.click(endpoints.heatmaps, inputs[:3], file, api_name="heatmaps", **plain)
    # gr.api would need no components, but its Api inputs are neither Upload nor Dropdown: /explain refuses every photo
    # ("The 1st must be a text …") and publishes no choices; of /models it changes the published type and label ("1st")
    trigger.click(models, None, listing, api_name="models")


@dataclass(frozen=True)
class Endpoints:
    """Handlers of /explain and /heatmaps. Their docstrings are public: MCP tools and openapi.json repeat them."""

    service: ExplanationService
    gallery: gr.Gallery
    file: gr.File

    def explain(self, image, model, method, base, colormap, scale):
        """Where the classifier looked: one captioned picture per class and layer, row by row, then a report.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF)
            model: a name that /models lists, or an image classifier of the Hub as owner/name
            method: the CAM method
            base: what lies under the heat: the photo's edges, the photo, or nothing
            colormap: the colours of the heat, from no evidence to the strongest
            scale: whether each map is scaled by its own peak, or all by the strongest

        Returns:
            gallery: pictures with captions; the last column combines all layers, the last row mixes all classes; of the
            method CAM, which reads one layer, one column
            report: model, predicted, classes (name, logit, probability), layers, cells (target, layer, peak, empty,
            box: left, top, right, bottom of the largest part above 15 % of the peak, in parts of the photo's sides)
            Of more than ten classes, the rows are the five most probable and the mixture.
        """
        with as_sentence():
            explained = self.service.explain_file(image, model, method, cancellable())
            cells = draw(explained, View(base=base, colormap=colormap, scale=scale))
        pictures = [(f"{cell.target}-{cell.column}", cell.picture, cell.caption) for row in cells for cell in row]
        return sent_pictures(pictures, self.gallery), explained.report()

    def heatmaps(self, image, model, method):
        """The raw evidence behind the pictures, as an .npz file.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF)
            model: a name that /models lists, or an image classifier of the Hub as owner/name
            method: the CAM method

        Returns:
            file: heatmaps float32 [K, L, H, W] (not normalised), logits [N], classes (the N classes), targets (the
            K rows: the classes, of more than ten the five most probable, then their mixture), layers (L names; for CAM
            the one that it reads)
        """
        with as_sentence():
            explained = self.service.explain_file(image, model, method, cancellable())
        data = maps(explained)
        return sent_file(save_for_download(data, "heatmaps.npz", self.file.GRADIO_CACHE), self.file, len(data))


def models():
    """The models that can be asked for: name, origin of the weights, whether they can be had now, classes, layers."""
    return classifiers.availability()


def _inputs(default_model):
    """In the order of explain's parameters; heatmaps takes the first three."""
    view = View()
    scale = "scale: the hottest colour is each map's peak, or the strongest of all"
    return [
        upload(label=PHOTO_LABEL),
        model_box(default_model),
        gr.Dropdown(list(METHODS), value=view.method, label="method: the CAM method"),
        gr.Dropdown(list(BASES), value=view.base, label="base: what lies under the heat"),
        gr.Dropdown(list(COLORMAPS), value=view.colormap, label="colormap: the colours of the heat"),
        gr.Dropdown(list(SCALES), value=view.scale, label=scale),
    ]
