"""The tab Trust: can this picture be believed? Methods against chance, a model that forgets, costs, seeds; and the same for callers."""

import time
from functools import cache
from pathlib import Path

import gradio as gr

import potplants
from gradcam import METHODS

from .. import trust_markup
from ..examples import Examples
from ..markup import refusal
from ..study import COLUMNS, PREDICTED, Studies, choices
from ..trust import Trust, report
from .desk import ONE_AT_A_TIME, QUIET, Desk
from .patience import watched
from .refusals import EXPECTED, as_sentence
from .upload import upload

LIGHTBOX = (Path(__file__).parent.parent / "lightbox.js").read_text(encoding="utf-8")
PICTURES = {"js_on_load": LIGHTBOX, "apply_default_css": False}

INTRO = "A heatmap is a claim. Here it is tested: against maps that know nothing, on a model made to forget, and on networks that differ only by chance."


def endpoint(studies: Studies, examples: Examples, default_model: str):
    """Define /trust. Nothing of it is shown."""

    def trust(image, model, method, target, layer):
        """Whether a heatmap can be believed: every method measured on this photo, the sanity check, the costs, other training seeds.

        Args:
            image: a photo (JPEG, PNG, WebP, GIF, BMP or TIFF); one that is not square is seen with grey bars
            model: a name that /models lists
            method: the CAM method of the sanity check and of the seeds; all are measured
            target: what is explained: a class, their mixture, "predicted"; of a model that answers with a number, where it should go
            layer: the convolution, from the shallowest, conv1, to the deepest

        Returns:
            report: methods (name, forward_passes, backward_passes, ms, insertion, deletion, pot_share, plant_share, state, verdict, sentence),
            sanity (steps, verdict, sentence), costs (ways, verdict), seeds (networks, rank_correlations, verdict), ends; null was not measured
        """
        with as_sentence():
            mask, asked = _mask(examples, image), _trust_of(studies)
            checks = asked.checks(image, model, method, target, layer, mask, watched())
            return report(checks, asked.measured(image, model, target, layer, mask, watched()))

    with gr.Column(visible=False):
        image = upload(label="image: a photo of a pot plant")
        model = gr.Dropdown(list(potplants.MODELS), value=default_model, label="model: a name that /models lists")
        method = gr.Dropdown(list(METHODS), value="Grad-CAM", label="method: the CAM method that is checked")
        target = gr.Dropdown(_targets(), value=PREDICTED, label="target: the class to explain, or what else a model can be asked")
        layer = gr.Dropdown(list(COLUMNS), value=COLUMNS[-1], label="layer: the convolution, shallow to deep")
        numbers = gr.JSON(label="report: methods, sanity, costs, seeds")
        trigger = gr.Button()

    trigger.click(trust, [image, model, method, target, layer], numbers, api_name="trust", **ONE_AT_A_TIME)


def tab(desk: Desk, studies: Studies, examples: Examples):
    """Lay the tab out in the current Tabs and wire it: the quick checks first, then what takes seconds."""

    def check(file, model, method, target, layer, base, colormap, progress=gr.Progress()):  # noqa: B008 (Gradio finds it there)
        try:
            found = _trust_of(studies).checks(file, model, method, target, layer, _mask(examples, file), watched(progress))
            sanity, seeds = trust_markup.sanity(found, base, colormap), trust_markup.seeds(found, base, colormap)
        except EXPECTED as error:
            return refusal(str(error)), "", "", "", gr.skip()
        already = _trust_of(studies).measured_already(found.subject)
        if already is None:
            return trust_markup.waiting(), sanity, "", seeds, time.monotonic()
        return trust_markup.methods(already, base, colormap, method), sanity, trust_markup.costs(already, base, colormap), seeds, gr.skip()

    def measure(due, file, model, method, target, layer, base, colormap, progress=gr.Progress()):  # noqa: B008
        if due is None:  # Gradio tells of a state's change also when a session begins
            return gr.skip(), gr.skip()
        try:
            found = _trust_of(studies).measured(file, model, target, layer, _mask(examples, file), watched(progress))
            return trust_markup.methods(found, base, colormap, method), trust_markup.costs(found, base, colormap)
        except EXPECTED as error:
            return refusal(str(error)), ""

    with gr.Tab("Trust", id="trust") as tab:
        gr.Markdown(INTRO)
        methods = gr.HTML(elem_id="trust-methods", **PICTURES)
        sanity = gr.HTML(elem_id="trust-sanity", **PICTURES)
        costs = gr.HTML(elem_id="trust-costs", **PICTURES)
        seeds = gr.HTML(elem_id="trust-seeds", **PICTURES)
        with gr.Accordion("How the verdicts are reached", open=False):
            gr.Markdown(trust_markup.RULES)
        due = gr.State()  # when the checks were shown without the table: then it is due

    asked = [desk.photo, desk.model, desk.method, desk.target, desk.layer, desk.base, desk.colormap]
    desk.keep(tab, check, asked, [methods, sanity, costs, seeds, due])
    due.change(measure, [due, *asked], [methods, costs], trigger_mode="always_last", **QUIET, **ONE_AT_A_TIME)


@cache
def _trust_of(studies):
    """One for page and callers."""
    return Trust(studies)


def _mask(examples, file):
    known = examples.known(file)
    return known and known.mask


def _targets():
    """What any of the models can be asked."""
    return list(dict.fromkeys(target for model in potplants.MODELS.values() for target in choices(model)))
