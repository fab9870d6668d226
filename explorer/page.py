"""The page: its frame, its tabs, and how it is served."""

from html import escape
from pathlib import Path

import gradio as gr

from potplants import Choice

from .examples import Examples
from .memory import keep_freed_memory
from .study import Studies
from .tabs import address, audit, callers, explain, steps, trust, what_if
from .tabs.desk import ONE_AT_A_TIME, QUIET
from .tabs.desk import desk as lay_out

STYLES = sorted((Path(__file__).parent / "styles").glob("*.css"))
UPLOAD_LIMIT = "20mb"
QUEUE_LENGTH = 64  # visitors who may wait; one more is told to come back
CACHE_SECONDS = (600, 3600)  # every ten minutes, forget uploaded and drawn files older than an hour

TITLE = "Where did it look?"
STORY = """# Where did it look?
A small CNN names four pot plants — **Rudo, Baya, Greg and Yuki** — and Grad-CAM shows where it looked for each of them, at each of its layers.
Rudo's old red pot broke; his new one is blue, like Baya's. **Click Rudo in red, then Rudo in blue**, and see what the classifier has really learned. Then open **What if?** and prove it."""


def build(choice: Choice, examples: Examples, studies: Studies) -> gr.Blocks:
    """The whole app as Blocks, not yet served."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CACHE_SECONDS) as page:
        callers.endpoints(studies, choice.name)  # before any tab: endpoints are named in the order of their definition
        steps.endpoint(studies, examples, choice.name)
        what_if.endpoint(studies, examples, choice.name)
        audit.endpoint(studies, examples, choice.name)
        trust.endpoint(studies, examples, choice.name)
        gr.Markdown(STORY)
        gr.HTML(_speaking(choice, examples), elem_id="speaking")
        with gr.Row(equal_height=False, elem_id="frame"):
            with gr.Column(scale=4, min_width=320):
                desk = lay_out(examples, choice.name)
            with gr.Column(scale=8, min_width=320), gr.Tabs(selected="explain", elem_id="tabs") as tabs:
                first = explain.tab(desk, tabs, studies, examples)
                steps.tab(desk, studies, examples)
                what_if.tab(desk, studies, examples)
                audit.tab(desk, studies, examples)
                trust.tab(desk, studies, examples)
        address.follow(desk, examples)
        address.arrive(page, desk, tabs, examples, choice.name).then(**first, **QUIET, **ONE_AT_A_TIME)
    return page.queue(max_size=QUEUE_LENGTH)


def serve(page: gr.Blocks, examples: Examples, host=None, port=None, share=False):
    """Serve the page until interrupted. Without host or port, GRADIO_SERVER_NAME and GRADIO_SERVER_PORT decide."""
    keep_freed_memory()
    page.launch(
        server_name=host,
        server_port=port,
        share=share,
        theme=gr.themes.Soft(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),  # no font is fetched
        css_paths=STYLES,
        show_error=False,
        max_file_size=UPLOAD_LIMIT,
        allowed_paths=[str(example.file.resolve()) for example in examples.every.values()],
        footer_links=["api", "settings"],
        run_history=False,
        ssr_mode=False,
        pwa=False,
    )


def _speaking(choice, examples):
    photos = (
        "The example photos are rendered, and the embedded classifier learned from such renders; the Hub's classifiers have only ever seen real photos."
        if examples.rendered
        else f"The example photos are {escape(examples.origin)}."
    )
    return f'<p class="speaking">{escape(choice.reason)} {photos}</p>'
