"""The page: its frame, its tabs, and how it is served."""

import atexit
from contextlib import contextmanager
from functools import partial
from html import escape
from pathlib import Path

import gradio as gr
from gradio import http_server
from gradio.networking import setup_tunnel
from starlette.middleware import Middleware

from potplants import Choice

from .environment import without_proxies
from .examples import Examples
from .memory import giving_back, keep_freed_memory
from .serving import Server
from .sockets import Place
from .study import Studies
from .tabs import address, agents, audit, callers, explain, forms, noscript, steps, trust, what_if
from .tabs.desk import desk as lay_out
from .tabs.door import Door
from .tabs.guard import Guard, addressed
from .tabs.refusals import HANDLERS
from .tabs.sessions import keeping_little
from .tabs.streams import end_streams
from .tabs.sweep import sweeping

STYLES = sorted((Path(__file__).parent / "styles").glob("*.css"))
UPLOAD_LIMIT = "20mb"
QUEUE_LENGTH = 64  # questions that may wait in a line; whoever comes when everybody in it has but one is told to come back
CACHE_SECONDS = (600, 3600)  # every ten minutes, forget uploaded and drawn files older than an hour
SESSIONS = 1000  # visitors whose choices are kept; the one away longest starts anew

READABLE = {  # at least 4.5 : 1 between words and what is behind them, where Soft has 2.5 to 4.5
    "color_accent": "*primary_600",
    "block_label_text_color": "*primary_700",
    "block_title_text_color": "*primary_700",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_300",
    "checkbox_label_background_fill_selected": "*primary_600",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_700",
    "button_secondary_background_fill_hover_dark": "*primary_600",
}

TITLE = "Where did it look?"
STORY = """# Where did it look?
A small CNN names four pot plants — **Rudo, Baya, Greg and Yuki** — and Grad-CAM shows where it looked for each of them, at each of its layers.
Rudo's old red pot broke; his new one is blue, like Baya's. **Click Rudo in red, then Rudo in blue**, and see what the classifier has really learned. Then open **What if?** and prove it."""


def build(choice: Choice, examples: Examples, studies: Studies) -> gr.Blocks:
    """The whole app as Blocks, not yet served."""
    with Door(title=TITLE, analytics_enabled=False) as page:
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
                explain.tab(desk, tabs, studies, examples)
                steps.tab(desk, studies, examples)
                what_if.tab(desk, studies, examples)
                audit.tab(desk, studies, examples)
                trust.tab(desk, studies, examples)
        address.follow(desk, examples)
        address.arrive(page, desk, tabs, examples, choice.name)
    return page.queue(max_size=QUEUE_LENGTH, api_open=False)  # nobody passes those who wait


def serve(page: gr.Blocks, place: Place, share=False):
    """Serve the page until the process ends, and print its address. Raises ServingError where it cannot be served."""
    keep_freed_memory()
    forms.bound()
    noscript.tell()
    with _on(place), without_proxies():
        page.launch(
            share=False,  # made below: the page is announced first, and waits for no network that is silent
            quiet=True,
            prevent_thread_lock=True,
            theme=theme(),
            css_paths=STYLES,
            show_error=False,
            max_file_size=UPLOAD_LIMIT,
            state_session_capacity=SESSIONS,
            mcp_server=False,  # Gradio's own; ours comes with the lifespan
            app_kwargs={
                "middleware": [Middleware(Guard)],
                "lifespan": agents.invite(page, addressed(giving_back(keeping_little(sweeping(*CACHE_SECONDS))))),
                "exception_handlers": HANDLERS,
            },
            footer_links=["api", "settings"],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            _frontend=False,  # Gradio would give its own page three seconds to answer, which a busy machine needs, and end the start
        )
    atexit.register(_close, page)
    print(f"Open {page.local_url}", flush=True)
    if share:
        print(_public_link(page), flush=True)
    page.server.wait()


@contextmanager
def _on(place):
    """Within it, Gradio serves on this place, by our server in place of its own.

    Its own looks for a port once everything is imported, tries a hundred others where one was asked for, gives up after five seconds, and on a Space
    starts a thread that watches for new code.
    """

    def start_server(app, **_):
        server = Server(app, place)
        server.start()
        return place.host, place.port, place.url, server

    theirs, http_server.start_server = http_server.start_server, start_server
    try:
        yield
    finally:
        http_server.start_server = theirs


def _close(page):
    page.server.soon(partial(end_streams, page))
    page.server.close()


def theme() -> gr.themes.Base:
    """Gradio's own Soft with system fonts, since none is fetched, and with its colours as dark or light as small print needs."""
    return gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(**READABLE)


def _public_link(page):
    """One line: the link, or why there is none."""
    try:
        return f"Public link: {setup_tunnel(page.server_name, page.server_port, page.share_token, None, None)}"
    except Exception as error:  # whatever it is, the page is served all the same
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        return f"No public link ({reason}): check the network and start again; until then the page is at {page.local_url}"


def _speaking(choice, examples):
    photos = (
        "The example photos are rendered, and the embedded classifier learned from such renders; the Hub's classifiers have only ever seen real photos."
        if examples.rendered
        else f"The example photos are {escape(examples.origin)}."
    )
    return f'<p class="speaking">{escape(choice.reason)} {photos}</p>'
