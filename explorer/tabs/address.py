"""The address: a link opens the page as someone else saw it, and the address bar follows what a visitor does."""

from dataclasses import asdict
from pathlib import Path

import gradio as gr

from ..examples import Examples
from ..links import View, query, view_of
from .desk import QUIET, Desk, wish

ARRIVE = """() => {
    const asked = [...new URLSearchParams(location.search).keys()].some((key) => !key.startsWith("__"));
    return asked ? [location.search, ""] : ["", "%s"];
}"""
FOLLOW = (Path(__file__).parent.parent / "address.js").read_text(encoding="utf-8")


def follow(desk: Desk, examples: Examples):
    """Keep the address bar true to the desk, now and after every change."""

    def link(file, front, *chosen):
        if not front:  # a part that is still being put in place is "changed" too, on a busy machine: what the URL asks for is not known yet
            return gr.skip()
        example = examples.known(file)
        names = ("model", "method", "target", "layer", "base", "colormap", "scale")
        return query(View(example=example and example.key, tab=front, **dict(zip(names, chosen))))

    parts = [desk.photo, desk.front, desk.model, desk.method, desk.target, desk.layer, desk.base, desk.colormap, desk.scale]
    written = wish(parts, desk.front).change(link, parts, desk.link, queue=False, trigger_mode="always_last", **QUIET)
    written.then(None, [desk.link, desk.front], None, js=FOLLOW, **QUIET)


def arrive(page: gr.Blocks, desk: Desk, tabs: gr.Tabs, examples: Examples, default_model: str):
    """Open what the URL asks for: with the tab in front known, the desk has something to show. A URL that asks for nothing is not sent."""

    def open_link(request: gr.Request):
        view, missing = view_of(request.query_params, examples)
        for sentence in missing:
            gr.Warning(sentence)
        asked = {**asdict(view), "model": view.model or default_model}
        example = examples.every.get(view.example, examples.story)
        components = [asked[name] for name in ("model", "method", "target", "layer", "base", "colormap", "scale")]
        return str(example.file), *components, gr.Tabs(selected=view.tab), view.tab

    parts = [desk.photo, desk.model, desk.method, desk.target, desk.layer, desk.base, desk.colormap, desk.scale, tabs, desk.front]
    asked = gr.Textbox(visible="hidden")
    page.load(None, None, [asked, desk.front], js=ARRIVE % View().tab, **QUIET)
    asked.change(open_link, None, parts, **QUIET)  # through the queue: only there a warning reaches the page
