"""The tab What if?: change a part of the photo, and see what the model says to that."""

import re
from pathlib import Path
from uuid import uuid4

import gradio as gr

import potplants
from gradcam import METHODS

from ..edits import POT_COLOURS
from ..examples import Examples
from ..links import View
from ..markup import refusal
from ..regions import read_drawing, read_strokes
from ..study import COLUMNS, Studies, choices
from ..what_if import EDITS, REGIONS, Question, ask, compare, in_every_colour
from ..what_if_markup import name_of, pad, result
from .desk import ONE_AT_A_TIME, QUIET, Desk
from .patience import watched
from .pictures import exactly, filed
from .refusals import EXPECTED, as_sentence
from .upload import upload
from .values import told

SCRIPTS = Path(__file__).parent.parent
SHOWING = "".join((SCRIPTS / name).read_text(encoding="utf-8") for name in ("curtain.js", "lightbox.js"))
DRAWING = (SCRIPTS / "brush.js").read_text(encoding="utf-8")

OWN = "another"  # a colour that is no pot's
REGION_LABELS = {"pot": "Pot", "plant": "Plant", "soil": "Soil", "hottest": "Hottest part", "brush": "Draw it"}
EDIT_LABELS = {"repaint": "Repaint", "blur": "Blur", "fill": "Fill with the mean of the rest"}
DRAW_FIRST = '<p class="hint">Draw over the part that shall change, with mouse, pen or finger (or arrow keys, while Space is held down). The answer comes when you let go.</p>'


def tab(desk: Desk, studies: Studies, examples: Examples):
    """Lay the tab out in the current Tabs and wire it."""

    def show(
        file,
        model,
        method,
        target,
        layer,
        base,
        colormap,
        region,
        percent,
        edit,
        colour,
        own,
        strokes,
        progress=gr.Progress(),  # noqa: B008 (Gradio finds it there)
    ):
        paper = ""
        try:
            before = studies.of(file, model, method, watched(progress))
            paper = pad(before)
            drawn = _drawn_on(before, strokes)
            if region == "brush" and drawn is None:
                return paper, DRAW_FIRST
            question = Question(region, percent, target, layer, edit, _hex(own) if colour == OWN else colour)
            found = ask(
                studies, before, question, examples.known(file), drawn, watched(progress)
            )
            paints, note = in_every_colour(studies.device, before, found.where)
            found = found.noted(note)
            return paper, result(found, compare(found, base, colormap), paints, colormap)
        except EXPECTED as error:
            return paper, refusal(str(error))

    marked = examples.story.mask is not None
    with gr.Tab("What if?", id="what-if") as tab:
        story = gr.Button("Give Rudo his red pot back", variant="primary", visible=marked, elem_id="red-pot")
        region = gr.Radio(
            _labelled(REGIONS, REGION_LABELS),
            value="pot" if marked else "hottest",
            label="What if this …",
            elem_id="region",
        )
        percent = gr.Slider(
            1, 50, 10, step=1, label="Hottest share, in % of the pixels", visible=not marked, elem_id="percent"
        )
        paper = gr.HTML(visible="hidden", js_on_load=DRAWING, apply_default_css=False, elem_id="pad")
        with gr.Row():
            edit = gr.Radio(
                _labelled(EDITS, EDIT_LABELS),
                value="repaint",
                label="… looked otherwise?",
                min_width=260,
                elem_id="edit",
            )
            colour = gr.Radio(
                _labelled((*POT_COLOURS, OWN), {}), value="red", label="Colour", min_width=260, elem_id="colour"
            )
            own = gr.ColorPicker("#7a3fb0", label="Another colour", visible=False, elem_id="own-colour")
        answer = gr.HTML(js_on_load=SHOWING, apply_default_css=False, elem_id="what-if-answer")
        strokes = gr.State(None)
        drawing = gr.Textbox(visible="hidden")  # another word for other strokes: what a State holds no browser hears of

    def give_back():
        return str(examples.story.file), "pot", "repaint", "red"

    def drawn(event: gr.EventData):
        return {"photo": told(event, "photo"), "picture": told(event, "picture")}, uuid4().hex

    def needed(region, edit, colour):
        return (
            gr.Slider(visible=region == "hottest"),
            gr.HTML(visible=True if region == "brush" else "hidden"),
            gr.Radio(visible=edit == "repaint"),
            gr.ColorPicker(visible=edit == "repaint" and colour == OWN),
        )

    story.click(give_back, None, [desk.photo, region, edit, colour], queue=False, **QUIET)
    paper.select(drawn, None, [strokes, drawing], queue=False, **QUIET)
    gr.on(
        [part.change for part in (region, edit, colour)],
        needed,
        [region, edit, colour],
        [percent, paper, colour, own],
        queue=False,
        **QUIET,
    )
    asked = [desk.photo, desk.model, desk.method, desk.target, desk.layer, desk.base, desk.colormap]
    desk.keep(tab, show, [*asked, region, percent, edit, colour, own, strokes], [paper, answer], (drawing,))


def endpoint(studies: Studies, examples: Examples, default_model: str):
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
            before = studies.of(image, model, method, watched())
            question = Question(region, percent, target, layer, edit, colour)
            found = ask(studies, before, question, examples.known(image), drawn, watched())
            cells = compare(found, "edges", "jet")
        pictures = [(when, cell.picture, f"{when.capitalize()}: {cell.caption}") for when, cell in zip(("before", "after"), cells)]
        changed = exactly("changed", found.after.photo, photo.GRADIO_CACHE)
        return changed, filed(pictures, gallery.GRADIO_CACHE), found.report()

    asked, view = Question(), View()
    with gr.Column(visible=False):
        image = upload(label="image: a photo of a pot plant")
        model = gr.Dropdown(list(potplants.MODELS), value=default_model, label="model: a name that /models lists")
        method = gr.Dropdown(list(METHODS), value=view.method, label="method: the CAM method")
        region = gr.Dropdown(list(REGIONS), value=asked.region, label="region: what is changed")
        percent = gr.Number(asked.percent, label="percent: how much of the photo the hottest part is")
        target = gr.Dropdown(_every_target(), value=asked.target, label="target: the class whose heat is meant")
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


def _drawn_on(study, strokes):
    """The region drawn on the study's photo; None where nothing is, or where the drawing is one on another photo."""
    if not strokes or strokes.get("photo") != name_of(study.photo) or not strokes.get("picture"):
        return None
    return read_strokes(strokes["picture"], study.model.size)


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


def _every_target():
    """Whatever some model can be asked for; a model that cannot says so in its own sentence."""
    return list(dict.fromkeys(target for model in potplants.MODELS.values() for target in choices(model)))


def _hex(colour):
    """A colour picker's answer, "rgba(r, g, b, a)" or "#rrggbb", as the latter."""
    parts = re.match(r"rgba?\((\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?), ?(\d{1,3}(?:\.\d+)?)", colour)
    return f"#{''.join(f'{min(round(float(part)), 255):02x}' for part in parts.groups())}" if parts else colour


def _labelled(names, labels):
    return [(labels.get(name, name.capitalize()), name) for name in names]
