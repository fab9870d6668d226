"""The controls beside every tab: the photo, the settings, and how a tab's handlers are bound to them."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

import gradio as gr
from gradio.components import Component

import classifiers
import potplants
from classifiers.photos.decode import read_photo
from explorer.choices import layer_dropdown, model_choices, target_dropdown, without_value
from explorer.explanation.grid import BASES
from explorer.explanation.outlines import OUTLINES
from explorer.explanation.service import ExplanationService, Progress
from explorer.labels import BASE_LABELS, COLORMAP_LABELS, OUTLINE_LABELS, SCALE_LABELS, labelled
from explorer.photos.examples import Examples
from explorer.rendering import parts
from explorer.rendering.static import script
from explorer.server.cancellation import cancellable
from explorer.server.errors import EXPECTED
from explorer.server.upload import upload
from explorer.server.values import event_value
from explorer.settings import DEEPEST, NOBODY, PREDICTED, SETTINGS, View
from gradcam import COLORMAPS, METHODS, SCALES

# options of Gradio's events: a forward pass uses every core, so more than two requests at once slow each other down
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 2}
# a separate queue: an audit takes long, and requests for one photo shall not wait for it
AUDIT_QUEUE: dict[str, Any] = {"concurrency_id": "audit", "concurrency_limit": 1}
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

EXPLAIN_ONLY = ("scale", "outline", "beside")  # settings that no other tab reads
CONTROLS = ("photo", "examples", *SETTINGS)  # as the page's elements are called
HUB_HINT = "or the name of an image classifier on the Hub, such as microsoft/resnet-50"
PHOTO_LABEL = "image: a photo"  # of the endpoints


@dataclass(frozen=True)
class Group:
    """Components whose values a handler gets as one argument: `value(*values)`."""

    value: Callable[..., Any]
    components: tuple[Component, ...]


Input = Component | Group


@dataclass(frozen=True)
class Caller:
    """Who called a handler."""

    progress: Progress  # raises Cancelled once the caller has left
    session: str | None  # one open page


def components_of(inputs: Sequence[Input]) -> list[Component]:
    """The components of all inputs, in one list for Gradio."""
    return [component for each in inputs for component in (each.components if isinstance(each, Group) else (each,))]


def handler(function: Callable, inputs: Sequence[Input]) -> Callable:
    """An event handler for Gradio: it passes `function` one value for each of the inputs, then a Caller."""

    def handle(request: gr.Request, progress=gr.Progress(), *values):  # noqa: B008 (Gradio finds it by this default)
        remaining = iter(values)
        arguments = [
            each.value(*(next(remaining) for _ in each.components)) if isinstance(each, Group) else next(remaining)
            for each in inputs
        ]
        return function(*arguments, Caller(cancellable(progress), request.session_hash))

    handle.__name__ = function.__name__  # which Gradio and its logs name it by
    return handle


@dataclass(frozen=True)
class Controls:
    """Components that every tab may read, and the events that update the tab in front."""

    photo: gr.Image
    examples: gr.HTML
    model: gr.Dropdown
    method: gr.Dropdown
    target: gr.Dropdown  # an entry of targets.target_choices(model), or the name of another of its classes
    layer: gr.Dropdown  # an entry of targets.layer_choices(model)
    base: gr.Radio
    colormap: gr.Radio
    scale: gr.Radio
    outline: gr.Radio
    beside: gr.Dropdown
    front: (
        gr.Textbox
    )  # hidden: the id of the tab in front, "" until the URL has been read; a browser keeps it over a restart
    link: gr.Textbox  # hidden: the query that opens this view, kept by page.sync_address_bar

    @property
    def view(self) -> Group:
        """All settings, as one View."""
        return Group(View, tuple(getattr(self, name) for name in SETTINGS))

    def bind(
        self,
        tab: gr.Tab,
        show: Callable,
        inputs: Sequence[Input],
        outputs: list,
        also: Collection[Component] = (),
        unused: Collection[str] = (),
        progress_on: Component | None = None,
        shown_again: bool = False,
    ):
        """Run `show` whenever the tab comes to the front, and while it is there whenever one of its inputs changes.

        `show` takes one value for each of `inputs` and a Caller; it returns one value for each of `outputs`. It runs as
        well when one of `also` changes, and does not when only a setting named in `unused` does. A gr.State among the
        inputs is no trigger: the browser never learns its value. Controls that the tab does not read are hidden.
        progress_on: the one component that shows progress; else each of `outputs` does. shown_again: the outputs are
        HTML and depend on nothing but the inputs, so that the browser may keep them, and shows them again by itself.
        """
        # the first tab is "selected" before the URL has been read: no tab is in front then
        tab.select(None, self.front, self.front, js=script("in_front.js", tab=str(tab.id)), **QUIET)
        excluded = [getattr(self, name) for name in unused]
        self._hide(tab, [name for name in CONTROLS if name in unused or not self._among(name, inputs)])
        candidates = (*components_of(inputs), *also)
        triggers = [each for each in candidates if not each.stateful and each not in excluded]
        changed = debounced(triggers, self.front, f"front === '{tab.id}'")
        options: dict[str, Any] = {"trigger_mode": "always_last", **QUIET, **ONE_AT_A_TIME}
        if progress_on is not None:
            options["show_progress_on"] = progress_on
        if shown_again:
            _ask_once(str(tab.id), changed, show, inputs, outputs, options)
        else:
            changed.change(handler(show, inputs), components_of(inputs), outputs, **options)

    def _hide(self, tab: gr.Tab, names: Sequence[str]):
        """While the tab is in front, hide the controls of these names."""
        js = script("unused.js", tab=str(tab.id), names=" ".join(names))
        self.front.change(None, self.front, None, js=js, **QUIET)

    def _among(self, name, inputs):
        component = self.photo if name == "examples" else getattr(self, name)
        return component in components_of(inputs)


def debounced(triggers: list, front: gr.Textbox, when: str = "front") -> gr.Textbox:
    """A hidden text of all triggers' values: it changes once however many of them do, and only while `when` holds.

    Requests to the server are bound to this change, never to the components' own: of several handlers of one event,
    Gradio restarts all when one of them gets its turn, so two that wait for each other would send requests forever.
    """
    assert front.parent is not None
    with front.parent:  # not in a tab, whose components are mounted only when it is first shown
        state = gr.Textbox(visible="hidden")
    js, changes = script("debounced.js", when=when), [component.change for component in (front, *triggers)]
    gr.on(changes, None, [state, front, *triggers], state, js=js, **QUIET)
    return state


def _ask_once(tab: str, changed: gr.Textbox, show: Callable, inputs: Sequence[Input], outputs: list, options: dict):
    """As `changed.change(show)`, but what the page has shown before is shown again without a request.

    On a line of 1.6 Mbit/s an answer took 1.7 s to come again. An answer travels with the number of the values that it
    was asked with: when it comes, the controls may have changed already.
    """

    @wraps(show)
    def numbered(number, *arguments):
        answer = show(*arguments)
        return number, *(answer if isinstance(answer, tuple) else (answer,))

    assert changed.parent is not None
    with changed.parent:
        asked, shown = (gr.Textbox(visible="hidden") for _ in range(2))
    values, sizes = components_of(inputs), {"tab": tab, "outputs": str(len(outputs))}
    recalled, kept = script("recall.js", **sizes), script("keep.js", **sizes)
    changed.change(None, [asked, *values], [asked, shown, *outputs], js=recalled, **QUIET)
    js, arguments = script("numbered.js", tab=tab), [asked, *inputs]
    answered = asked.change(handler(numbered, arguments), [asked, *values], [shown, *outputs], js=js, **options)
    answered.success(None, [shown, *values, *outputs], [shown, *outputs], js=kept, **QUIET)


def lay_out(service: ExplanationService, examples: Examples, default_model: str) -> Controls:
    """Lay the controls out in the current column."""
    view = View(default_model)
    photo = upload(
        value=str(examples.story.file),
        sources=["upload", "clipboard", "webcam"],  # the webcam stays off until it is selected
        label="Photo",
        height=200,
        buttons=["fullscreen"],
        elem_id="photo",
    )
    strip = gr.HTML(
        examples_strip(examples), js_on_load=script("press.js"), apply_default_css=False, elem_id="examples"
    )
    model = gr.Dropdown(
        model_choices(), value=view.model, label="Model", info=HUB_HINT, allow_custom_value=True, elem_id="model"
    )
    method = gr.Dropdown(list(METHODS), value=view.method, label="Method", elem_id="method")
    with gr.Row():
        target = gr.Dropdown(
            **target_dropdown(view), label="Class", allow_custom_value=True, min_width=120, elem_id="target"
        )
        layer = gr.Dropdown(
            **layer_dropdown(view), label="Layer", allow_custom_value=True, min_width=80, elem_id="layer"
        )
    beside = gr.Dropdown(
        [("no other", NOBODY), *model_choices()],
        value=view.beside,
        label="Beside it",
        allow_custom_value=True,
        elem_id="beside",
    )
    appearance = _appearance(view)
    front = gr.Textbox(visible="hidden", elem_id="front")
    link = gr.Textbox(visible=False)
    controls = Controls(photo, strip, model, method, target, layer, *appearance, beside, front, link)
    _wire(controls, service, examples)
    return controls


def _appearance(view):
    """What is folded away: how the heat is drawn."""
    with gr.Accordion("Appearance", open=False, elem_id="appearance"):
        base = _radio(BASES, BASE_LABELS, view.base, label="Heat lies over", elem_id="base")
        colormap = _radio(COLORMAPS, COLORMAP_LABELS, view.colormap, label="Colours", elem_id="colormap")
        scale = _radio(SCALES, SCALE_LABELS, view.scale, label="Hottest colour is the peak of", elem_id="scale")
        outline = _radio(OUTLINES, OUTLINE_LABELS, view.outline, label="Line around what is above", elem_id="outline")
    return base, colormap, scale, outline


def _wire(controls: Controls, service: ExplanationService, examples: Examples):
    """Connect the controls to each other."""

    def pick(model, event: gr.EventData):
        """The photo, and the model that it is meant for where the one that is chosen knows four plants only."""
        index = cast(int, event_value(event, "index", range(len(examples.shown))))
        example = examples.shown[index]
        other = example.asks if example.asks and model in potplants.MODELS else model
        return str(example.file), other if other != model else gr.skip()

    def update_choices(name, target, layer, caller):
        """What can be chosen of another model: of a Hub repository it is known once it is loaded."""
        with suppress(*EXPECTED):  # the tab in front reports it
            if classifiers.is_of_the_hub(name):
                service.classifier(name, caller.progress)
        view = View(name, target=target, layer=layer)
        choices = zip((target_dropdown(view), layer_dropdown(view)), (target, layer))
        return [gr.Dropdown(**without_value(new, old)) for new, old in choices]

    chosen = [controls.model, controls.target, controls.layer]
    controls.examples.select(pick, controls.model, [controls.photo, controls.model], queue=False, **QUIET)
    # queued, since a repository may have to be fetched; beside the questions, which wait for the same fetch
    options: dict[str, Any] = {"trigger_mode": "always_last", "concurrency_limit": 8, **QUIET}
    controls.model.change(handler(update_choices, chosen), chosen, [controls.target, controls.layer], **options)


def model_box(default_model: str) -> gr.Textbox:
    """The endpoints' parameter `model`: a text, since the Hub's repositories cannot be listed."""
    label = "model: a name that /models lists, or an image classifier of the Hub as owner/name"
    return gr.Textbox(default_model, label=label)


def target_box() -> gr.Textbox:
    """The endpoints' parameter `target`."""
    return gr.Textbox(
        PREDICTED, label="target: predicted, mixture, or a class; of a number, further right or further left"
    )


def layer_box() -> gr.Textbox:
    """The endpoints' parameter `layer`."""
    return gr.Textbox(DEEPEST, label="layer: deepest, or one that /models lists, shallow to deep")


def examples_strip(examples: Examples) -> str:
    """The examples as labelled pictures that are buttons."""
    pictures = [(read_photo(example.file).pixels, example.caption, example.credit) for example in examples.shown]
    return parts.strip(examples.shown_origin, pictures)


def _radio(names, labels, value, **options):
    return gr.Radio(labelled(names, labels), value=value, **options)
