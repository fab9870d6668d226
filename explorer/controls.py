"""The controls beside every tab: the photo and the choices that stay while a visitor goes from tab to tab."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

import potplants
from explorer.explanation.grid import BASES
from explorer.explanation.service import COLUMNS, MIXTURE, PREDICTED, target_choices
from explorer.photos.decode import read_photo
from explorer.photos.examples import Examples
from explorer.rendering import parts
from explorer.server.upload import upload
from explorer.server.values import event_value
from gradcam import COLORMAPS, METHODS, SCALES

from .deep_links import View

ONE_AT_A_TIME: dict[str, Any] = {
    "concurrency_id": "model",
    "concurrency_limit": 2,
}  # a forward uses every core: more at once is slower
AUDIT_LINE: dict[str, Any] = {
    "concurrency_id": "audit",
    "concurrency_limit": 1,
}  # a line of its own: an audit is long, and photos shall not wait for it
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
PRESS = "element.addEventListener('click', (e) => { const b = e.target.closest('button'); if (b) trigger('select', { index: Number(b.dataset.index) }); });"

TARGET_LABELS = {PREDICTED: "predicted", MIXTURE: "mixture"}
BASE_LABELS = {"edges": "edges (the article's)", "photo": "photo", "none": "none"}
COLORMAP_LABELS = {
    "jet": "jet (the article's)",
    "viridis": "viridis (even steps)",
    "cividis": "cividis (even steps, colour-blind safe)",
}
SCALE_LABELS = {"each map": "each map", "shared": "shared over the grid"}


@dataclass(frozen=True)
class Controls:
    """Components that every tab may read, and the wiring that keeps the tab in front up to date."""

    photo: gr.Image
    examples: gr.HTML
    model: gr.Dropdown
    method: gr.Dropdown
    target: gr.Dropdown  # an entry of study.choices(model)
    layer: gr.Dropdown  # an entry of study.COLUMNS
    base: gr.Radio
    colormap: gr.Radio
    scale: gr.Radio
    front: gr.Textbox  # hidden: the id of the tab in front, nothing until the URL has been read; the browser keeps it over a restart of the server
    link: gr.Textbox  # hidden: the query that opens this view, kept by `address`

    def bind(self, tab: gr.Tab, show: Callable, inputs: list, outputs: list, heard: tuple = ()):
        """Run `show` whenever the tab comes to the front, and while it is there whenever one of its inputs changes, or of those `heard`.

        `show` takes one value for each of `inputs`, and perhaps a gr.Progress as its last; it returns one value for each of `outputs`.
        An input that is a State is not heard of by itself: the browser never learns its value.
        """
        # the first tab is "selected" before the URL has been read: nothing is in front then
        tab.select(None, self.front, self.front, js=f"(front) => front && '{tab.id}'", **QUIET)
        parts = [part for part in (*inputs, *heard) if not part.stateful]
        asked = debounced(parts, self.front, f"front === '{tab.id}'")
        asked.change(show, inputs, outputs, trigger_mode="always_last", **QUIET, **ONE_AT_A_TIME)


def debounced(parts: list, front: gr.Textbox, when: str = "front") -> gr.Textbox:
    """Hidden: what is asked for, in the browser's own words. It changes once however many of `parts` do, and only while `when` holds.

    Whatever asks the server hangs on such a change, never on the parts' own: of several handlers of one event, Gradio starts all anew
    when one of them comes to its turn, and two that wait for each other so ask for ever.
    """
    with front.parent:  # not in a tab: what is there wakes up when it is first shown
        asked = gr.Textbox(visible="hidden")
    say = f"(asked, front, ...values) => {when} ? JSON.stringify(values) : asked"
    gr.on([part.change for part in (front, *parts)], None, [asked, front, *parts], asked, js=say, **QUIET)
    return asked


def lay_out(examples: Examples, default_model: str) -> Controls:
    """Lay the desk out in the current column."""
    view = View()
    photo = upload(
        value=str(examples.story.file),
        sources=["upload", "clipboard", "webcam"],  # the webcam stays off until it is chosen
        label="Photo",
        height=260,
        buttons=["fullscreen"],
        elem_id="photo",
    )
    pressed = gr.HTML(examples_strip(examples), js_on_load=PRESS, apply_default_css=False, elem_id="examples")
    model = gr.Dropdown(_model_choices(), value=default_model, label="Model", elem_id="model")
    method = gr.Dropdown(list(METHODS), value=view.method, label="Method", elem_id="method")
    with gr.Row():
        target = gr.Dropdown(
            _target_choices(default_model), value=view.target, label="Class", min_width=120, elem_id="target"
        )
        layer = gr.Dropdown(list(COLUMNS), value=view.layer, label="Layer", min_width=80, elem_id="layer")
    base = gr.Radio(_labelled(BASES, BASE_LABELS), value=view.base, label="Heat lies over", elem_id="base")
    colormap = gr.Radio(_labelled(COLORMAPS, COLORMAP_LABELS), value=view.colormap, label="Colours", elem_id="colormap")
    scale = gr.Radio(
        _labelled(SCALES, SCALE_LABELS), value=view.scale, label="Hottest colour is the peak of", elem_id="scale"
    )

    def pick(event: gr.EventData):
        return str(examples.shown[event_value(event, "index", range(len(examples.shown)))].file)

    def targets_of(name, chosen):
        there = target_choices(potplants.find(name))
        return gr.Dropdown(_target_choices(name), value=chosen if chosen in there else PREDICTED)

    pressed.select(pick, None, photo, queue=False, **QUIET)
    model.change(targets_of, [model, target], target, queue=False, **QUIET)
    front = gr.Textbox(visible="hidden", elem_id="front")
    return Controls(
        photo, pressed, model, method, target, layer, base, colormap, scale, front, gr.Textbox(visible=False)
    )


def examples_strip(examples: Examples) -> str:
    """The examples as labelled pictures to press."""
    return parts.strip(
        examples.origin, [(read_photo(example.file).pixels, example.caption) for example in examples.shown]
    )


def _labelled(names, labels):
    return [(labels.get(name, name.capitalize()), name) for name in names]


def _model_choices():
    return [(f"{name} ({model.trained_on})", name) for name, model in potplants.MODELS.items()]


def _target_choices(model):
    return _labelled(target_choices(potplants.find(model)), TARGET_LABELS)
