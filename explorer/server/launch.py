"""How the page is served: Gradio's launch with our server, limits, errors and clean-up around it, and the public link."""

import atexit
from contextlib import contextmanager
from functools import partial

import gradio as gr
from gradio import http_server
from gradio.networking import setup_tunnel
from starlette.middleware import Middleware

from explorer.rendering.static import styles

from . import mcp_tools, multipart, noscript
from .allocator import giving_back, keep_freed_memory
from .cleanup import sweeping
from .environment import without_proxies
from .errors import HANDLERS
from .http_server import Server
from .limits import RequestLimits, addressed
from .sessions import keeping_little
from .sockets import Place
from .streams import end_streams

UPLOAD_LIMIT = "20mb"
QUEUE_LENGTH = (
    64  # questions that may wait in a line; whoever comes when everybody in it has but one is told to come back
)
CACHE_SECONDS = (600, 3600)  # every ten minutes, forget uploaded and drawn files older than an hour
SESSIONS = 1000  # visitors whose choices are kept; the one away longest starts anew


def serve(page: gr.Blocks, place: Place, theme: gr.themes.Base, share=False):
    """Serve the page until the process ends, and print its address. Raises ServingError where it cannot be served."""
    keep_freed_memory()
    multipart.bound()
    noscript.tell()
    with _on(place), without_proxies():
        page.launch(
            share=False,  # made below: the page is announced first, and waits for no network that is silent
            quiet=True,
            prevent_thread_lock=True,
            theme=theme,
            css_paths=styles(),
            show_error=False,
            max_file_size=UPLOAD_LIMIT,
            state_session_capacity=SESSIONS,
            mcp_server=False,  # Gradio's own; ours comes with the lifespan
            app_kwargs={
                "middleware": [Middleware(RequestLimits)],
                "lifespan": mcp_tools.serve_tools(
                    page, addressed(giving_back(keeping_little(sweeping(*CACHE_SECONDS))))
                ),
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


def _public_link(page):
    """One line: the link, or why there is none."""
    try:
        return f"Public link: {setup_tunnel(page.server_name, page.server_port, page.share_token, None, None)}"
    except Exception as error:  # whatever it is, the page is served all the same
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        return (
            f"No public link ({reason}): check the network and start again; until then the page is at {page.local_url}"
        )
