"""/what_if: the changed photo, the heat before and after, and a report, for callers."""

import gradio as gr

import potplants
from explorer.controls import ONE_AT_A_TIME
from explorer.explanation.service import COLUMNS, ExplanationService, every_target
from explorer.photos.edits import POT_COLOURS
from explorer.photos.examples import Examples
from explorer.photos.masks import read_drawing
from explorer.server.cancellation import cancellable
from explorer.server.errors import as_sentence
from explorer.server.picture_files import saved_exactly, saved_pictures
from explorer.server.upload import upload
from explorer.settings import View
from gradcam import METHODS

from .intervention import EDITS, REGIONS, Change, compare, intervene


def define(service: ExplanationService, examples: Examples, default_model: str):
    """Define /what_if. Nothing of it is shown."""

    def what_if(image, model, method, region, percent, target, layer, edit, colour, mask=None):
        """What the classifier says when a part of the photo looks otherwise: the changed photo, the heat before and after, a report.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF); one that is not square is seen with grey bars
            model: a name that /models lists
            method: the CAM method
            region: what is changed: pot, plant or soil (of the app's own examples), the hottest part of the heat, or what a mask paints (brush)
            percent: how much of the photo the hottest part is, above 0 and at most 100
            target: whose heat is meant and shown: a class, the mixture, or what the model says of the unchanged photo (predicted)
            layer: where the heat is read
            edit: repaint it and keep its shading, blur it, or fill it with the mean of the rest
            colour: what it is repainted: one of the four pots' colours, or "#rrggbb"
            mask: for the region brush: a picture of the photo's proportions, white where it shall change, black elsewhere

        Returns:
            photo: the changed photo, as the network saw it
            gallery: the heat before and after, for the same class and layer and on one scale
            report: model, region (kind, percent of the pixels), changed_percent, before and after (predicted, classes with logit and
            probability, peak, empty), change (of each class's logit and probability)
        """
        with as_sentence():
            drawn = _masked(region, mask, image, model)
            before = service.explain_file(image, model, method, cancellable())
            question = Change(region, percent, target, layer, edit, colour)
            found = intervene(service, before, question, examples.known(image), drawn, cancellable())
            cells = compare(found, View())
        pictures = [
            (when, cell.picture, f"{when.capitalize()}: {cell.caption}")
            for when, cell in zip(("before", "after"), cells)
        ]
        changed = saved_exactly("changed", found.after.photo, photo.GRADIO_CACHE)
        return changed, saved_pictures(pictures, gallery.GRADIO_CACHE), found.report()

    asked, view = Change(), View()
    with gr.Column(visible=False):
        image = upload(label="image: a photo of a pot plant")
        model = gr.Dropdown(list(potplants.MODELS), value=default_model, label="model: a name that /models lists")
        method = gr.Dropdown(list(METHODS), value=view.method, label="method: the CAM method")
        region = gr.Dropdown(list(REGIONS), value=asked.region, label="region: what is changed")
        percent = gr.Number(asked.percent, label="percent: how much of the photo the hottest part is")
        target = gr.Dropdown(every_target(), value=asked.target, label="target: the class whose heat is meant")
        layer = gr.Dropdown(list(COLUMNS), value=asked.layer, label="layer: where the heat is read")
        edit = gr.Dropdown(list(EDITS), value=asked.edit, label="edit: how it is changed")
        colour = gr.Textbox(asked.colour, label=f"colour: {', '.join(POT_COLOURS)} or #rrggbb")
        mask = upload(value=None, label="mask: white where the photo shall change, for the region brush")
        photo = gr.Image(format="png", label="photo: as changed")
        gallery = gr.Gallery(object_fit="contain", label="gallery: the heat before and after, on one scale")
        report = gr.JSON(label="report: region, before, after, change")
        trigger = gr.Button()
    parts = [image, model, method, region, percent, target, layer, edit, colour, mask]
    trigger.click(what_if, parts, [photo, gallery, report], api_name="what_if", **ONE_AT_A_TIME)


def _masked(region, mask, image, model):
    if mask is None:
        if region == "brush":
            raise ValueError(
                "The region brush needs a mask: a picture that is white where the photo shall change, black elsewhere."
            )
        return None
    if region != "brush":
        raise ValueError(
            f"A mask goes with the region brush, and the region asked for is {region}: leave one of them out."
        )
    return read_drawing(mask, image, potplants.find(model).size)
