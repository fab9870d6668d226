"""The page: layout, tabs, theme, and the address bar kept in step with the controls."""

from dataclasses import asdict, replace
from importlib import import_module
from typing import cast
from urllib.parse import parse_qsl

import gradio as gr
from gradio.themes import Base, Soft

from explorer.choices import layer_dropdown, target_dropdown
from explorer.controls import (
    QUIET,
    Controls,
    Group,
    components_of,
    debounced,
    handler,
    lay_out,
)
from explorer.deep_links import OWN, Link, link_of, query
from explorer.explanation.service import ExplanationService
from explorer.photos.examples import Examples
from explorer.rendering.parts import model_line
from explorer.rendering.static import script
from explorer.rendering.templates import render
from explorer.server.launch import QUEUE_LENGTH
from explorer.server.validation import ValidatedBlocks
from explorer.server.values import event_value
from explorer.story import BEATS, GUESSES, SECONDS, can_be_told
from potplants import Choice

STRUCTURE = {  # in the light theme too: a ground, white cards with one line around them, plain small labels
    "body_background_fill": "#f6f7f9",
    "block_background_fill": "white",
    "block_border_width": "1px",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "*body_text_color_subdued",
    "block_label_text_color_dark": "*body_text_color_subdued",
    "block_title_background_fill": "transparent",
    "block_title_background_fill_dark": "transparent",
    "block_title_padding": "0px",
    "block_title_text_color": "*body_text_color_subdued",
    "block_title_text_color_dark": "*body_text_color_subdued",
    "block_title_text_size": "*text_sm",
    "input_shadow": "none",
    "input_border_width": "1px",
    "layout_gap": "10px",
    "block_padding": "8px 12px",
}
HIGH_CONTRAST = {  # at least 4.5 : 1 between text and background, where Soft has 2.5 to 4.5
    "color_accent": "*primary_600",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_300",
    "checkbox_label_background_fill_selected": "*primary_600",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_700",
    "button_secondary_background_fill_hover_dark": "*primary_600",
}

TABS = ("explain", "steps", "what_if", "audit", "trust")  # folders of explorer.tabs, in the order of the page

TITLE = "Where did it look?"
INTRODUCTION = """# Where did it look?
A small CNN names four pot plants, and Grad-CAM shows where it looked for each of them, at each of its layers. Rudo's
old red pot broke; his new one is blue, like Baya's. **Click Rudo in red, then Rudo in blue**, and see what the
classifier has really learned. Then open **What if?** and prove it."""


def build(choice: Choice, examples: Examples, service: ExplanationService) -> gr.Blocks:
    """The whole app as Blocks, not yet served."""
    with ValidatedBlocks(title=TITLE, analytics_enabled=False) as page:
        for api in _tab_modules("api"):  # before any tab: endpoints are named in the order of their definition
            api.define(service, examples, choice.name)
        gr.Markdown(INTRODUCTION, elem_id="introduction")
        told = _lay_out_story(examples)
        gr.HTML(model_line(choice.name, choice.reason, examples.rendered, examples.origin), elem_id="speaking")
        with gr.Row(elem_id="frame"):
            with gr.Column(scale=3, min_width=280, elem_id="controls"):
                controls = lay_out(service, examples, choice.name)
                controls.model.change(None, controls.model, None, js=script("speaking.js"), **QUIET)
            with (
                gr.Column(scale=9, min_width=320, elem_id="answers"),
                gr.Tabs(selected="explain", elem_id="tabs") as tabs,
            ):
                built = [tab.build(controls, tabs, service, examples) for tab in _tab_modules("tab")]
        edit = built[TABS.index("what_if")].settings
        if told is not None:
            tell_story(told, controls, edit, tabs, examples)
        sync_address_bar(controls, edit, examples)
        open_deep_links(page, controls, edit, tabs, examples, choice.name)
    return page.queue(max_size=QUEUE_LENGTH, api_open=False)  # no request bypasses the queue


def _tab_modules(name):
    return [import_module(f"explorer.tabs.{folder}.{name}") for folder in TABS]


def theme() -> Base:
    """Gradio's Soft with system fonts, so that none is fetched, and with enough contrast for small print."""
    return Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        **STRUCTURE, **HIGH_CONTRAST
    )


def _lay_out_story(examples: Examples) -> gr.HTML | None:
    """The story's button and panel; None where the photos are others."""
    if not can_be_told(examples):
        return None
    html = render("story.html", "story", BEATS, GUESSES, SECONDS)
    return gr.HTML(html, js_on_load=script("story.js"), apply_default_css=False, elem_id="story")


def tell_story(told: gr.HTML, controls: Controls, edit: Group, tabs: gr.Tabs, examples: Examples):
    """Each beat of the story sets photo, model, tab, and what is changed: the pot, repainted red."""

    def tell(event: gr.EventData):
        beat = BEATS[cast(int, event_value(event, "beat", range(len(BEATS))))]
        return str(examples.every[beat.example].file), beat.model, gr.Tabs(selected=beat.tab), "pot", "repaint", "red"

    region, _, kind, colour, *_ = edit.components
    outputs = [controls.photo, controls.model, tabs, region, kind, colour]
    told.select(tell, None, outputs, queue=False, trigger_mode="multiple", **QUIET)


def sync_address_bar(controls: Controls, edit: Group, examples: Examples):
    """Write the controls' state to the address bar, now and after every change. edit: the settings of What if?."""

    def link(file, front, view, change, caller):
        if not front:  # on a busy machine, rendering a component "changes" it before the URL has been read
            return gr.skip()
        example = examples.known(file)
        key = example.key if example else OWN if file else None
        return query(Link(key, view, front, change))

    inputs = [controls.photo, controls.front, controls.view, edit]
    triggers = [component for component in components_of(inputs) if not component.stateful]
    changed = debounced(triggers, controls.front)
    options = {"queue": False, "trigger_mode": "always_last", **QUIET}
    updated = changed.change(handler(link, inputs), components_of(inputs), controls.link, **options)
    updated.then(None, [controls.link, controls.front], None, js=script("address.js"), **QUIET)


def open_deep_links(
    page: gr.Blocks, controls: Controls, edit: Group, tabs: gr.Tabs, examples: Examples, default_model: str
):
    """Set the controls to the URL's query and open its tab, which starts the answer. An empty query sends nothing."""

    def open_link(url_query):
        parameters = dict(parse_qsl(url_query.partition("#")[0].removeprefix("?"), keep_blank_values=True))
        names = [folder.replace("_", "-") for folder in TABS]
        link, missing = link_of(parameters, examples, names, default_model)
        for warning in missing:
            gr.Warning(warning)
        example = examples.every.get(link.example or "", examples.story)
        view = replace(link.view, model=link.view.model or default_model)
        settings = {
            **asdict(view),
            "target": gr.Dropdown(**target_dropdown(view)),
            "layer": gr.Dropdown(**layer_dropdown(view)),
        }
        changes = [gr.skip() if value is None else value for value in vars(link.edit).values()]
        return str(example.file), *settings.values(), *changes, gr.Tabs(selected=link.tab), link.tab

    outputs = [controls.photo, *components_of([controls.view, edit]), tabs, controls.front]
    url_query = gr.Textbox(visible="hidden", elem_id="url-query")
    page.load(None, js=script("memory.js"), **QUIET)
    page.load(None, None, [url_query, controls.front], js=script("arrive.js", tab=Link().tab), **QUIET)
    url_query.change(
        open_link, url_query, outputs, trigger_mode="always_last", **QUIET
    )  # queued: only then gr.Warning reaches the page
