"""/what_if: the changed photo, the heat before and after, and a report, for callers."""

from dataclasses import dataclass

import gradio as gr

from explorer.controls import ONE_AT_A_TIME, PHOTO_LABEL, layer_box, model_box, target_box
from explorer.explanation.service import ExplanationService
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import Examples
from explorer.photos.grown import TOLERANCE, TOLERANCES
from explorer.photos.masks import read_drawing
from explorer.rendering.wording import titled
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.server.picture_files import saved_exactly, saved_pictures
from explorer.server.upload import upload
from explorer.settings import View
from gradcam import METHODS

from .change import EDITS, REGIONS, Change
from .intervention import compare, intervene


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /what_if. Nothing of it is shown."""
    with gr.Column(visible=False):
        inputs = _inputs(default_model)
        photo = gr.Image(format="png", label="photo: as changed")
        gallery = gr.Gallery(object_fit="contain", label="gallery: the heat before and after, on one scale")
        report = gr.JSON(label="report: region, before, after, change")
        trigger = gr.Button()
    endpoint = Endpoint(service, examples, photo, gallery)
    trigger.click(endpoint.what_if, inputs, [photo, gallery, report], api_name="what_if", **ONE_AT_A_TIME)


@dataclass(frozen=True)
class Endpoint:
    """Handler of /what_if. Its docstring is public: MCP tools and openapi.json repeat it."""

    service: ExplanationService
    examples: Examples
    photo: gr.Image
    gallery: gr.Gallery

    def what_if(
        self, image, model, method, region, percent, target, layer, edit, colour,
        mask=None, points="", tolerance=TOLERANCE,
    ):  # fmt: skip
        """What the classifier says when a part of the photo looks otherwise: the changed photo, the heat before and after, a report.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF)
            model: a name that /models lists, or an image classifier of the Hub as owner/name
            method: the CAM method
            region: what is changed: pot, plant or soil (of the app's own examples), the hottest part of the heat, what grows from points (click), or what a mask paints (brush)
            percent: how much of the photo the hottest part is, above 0 and at most 100
            target: whose heat is meant and shown: a class, the mixture, or what the model says of the unchanged photo (predicted)
            layer: where the heat is read: deepest, or a layer that /models lists for the model
            edit: repaint it and keep its shading, blur it, or fill it with the mean of the rest
            colour: what it is repainted: one of the four pots' colours, or "#rrggbb"
            mask: for the region brush: a picture of the photo's proportions, white where it shall change, black elsewhere
            points: for the region click: pixels of the photo as it is laid out for the network, such as "120,80 130,90"; with a minus, what grows there is taken away
            tolerance: for the region click: how far from a point's colour the region grows, in units of L*a*b*, from 4 to 60

        Returns:
            photo: the changed photo, as it was laid out for the network
            gallery: the heat before and after, for the same class and layer and on one scale
            report: model, region (kind, percent of the pixels), changed_percent, before and after (predicted, classes with logit and
            probability, peak, empty), change (of each class's logit and probability)
        """  # noqa: E501 (Gradio takes an argument's description from one line only, and MCP shows the first as it is)
        with as_sentence():
            _check_mask(region, mask)
            _check_points(region, points, tolerance)
            before = self.service.explain_file(image, model, method, cancellable(), target)
            drawn = read_drawing(mask, image, before.frame) if region == "brush" else None
            change = Change(region, percent, target, layer, edit, colour, points, tolerance)
            example = self.examples.known(image)
            intervention = intervene(self.service, before, change, example, drawn, cancellable())
            cells = compare(intervention, View())
        changed = saved_exactly("changed", intervention.after.photo, self.photo.GRADIO_CACHE)
        return changed, saved_pictures(_pictures(cells), self.gallery.GRADIO_CACHE), intervention.report()


def _inputs(default_model):
    """In the order of what_if's parameters."""
    view, change = View(), Change()
    return [
        upload(label=PHOTO_LABEL),
        model_box(default_model),
        gr.Dropdown(list(METHODS), value=view.method, label="method: the CAM method"),
        gr.Dropdown(list(REGIONS), value=change.region, label="region: what is changed"),
        gr.Number(change.percent, label="percent: how much of the photo the hottest part is"),
        target_box(),
        layer_box(),
        gr.Dropdown(list(EDITS), value=change.edit, label="edit: how it is changed"),
        gr.Textbox(change.colour, label=f"colour: {', '.join(POT_COLOURS)} or #rrggbb"),
        upload(value=None, label="mask: white where the photo shall change, for the region brush"),
        gr.Textbox(change.points, label='points: such as "120,80 130,90", for the region click'),
        gr.Number(
            change.tolerance,
            label="tolerance: how far from a point's colour the region click grows",
            minimum=TOLERANCES[0],
            maximum=TOLERANCES[1],
        ),
    ]


def _pictures(cells):
    """(name, picture, caption) of the heat before and after."""
    named = zip(("before", "after"), cells)
    return [(when, cell.picture, f"{titled(when)}: {cell.caption}") for when, cell in named]


def _check_mask(region, mask):
    """Raises ValueError for a mask without the region brush, or the reverse."""
    if mask is None and region == "brush":
        raise ValueError(
            "The region brush needs a mask: a picture that is white where the photo shall change, black elsewhere."
        )
    if mask is not None and region != "brush":
        raise ValueError(
            f"A mask goes with the region brush, and the region asked for is {region}: leave one of them out."
        )


def _check_points(region, points, tolerance):
    """Raises ValueError for points without the region click, and for null in place of points or tolerance."""
    if points is None or tolerance is None:
        raise ValueError("Points and tolerance cannot be null: leave them out, or give a text and a number.")
    if points.strip() and region != "click":
        raise ValueError(
            f"Points go with the region click, and the region asked for is {region}: leave one of them out."
        )
