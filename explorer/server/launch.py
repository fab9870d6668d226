"""Launch of the page: Gradio's launch with our server, limits, error handlers and cleanup, and the public link."""

import atexit
from contextlib import contextmanager
from functools import partial

import gradio as gr
from gradio import http_server
from gradio.networking import setup_tunnel
from gradio.themes import Base
from starlette.middleware import Middleware

from explorer.rendering.static import styles
from gradcam.allocator import keep_freed_memory

from . import frontend, lean_gradio, mcp_tools, multipart
from .allocator import with_memory_trimming
from .cleanup import sweep_lifespan
from .environment import without_proxies
from .errors import HANDLERS
from .http_server import Server
from .limits import RequestLimits, with_host_check
from .sessions import with_small_sessions
from .sockets import ReservedAddress
from .streams import end_streams

UPLOAD_LIMIT = "20mb"
QUEUE_LENGTH = 64  # events that may wait in each queue; further ones are refused
SWEEP = (600, 3600)  # every ten minutes, delete uploaded and generated files older than an hour
SESSIONS = 1000  # visitors whose choices are kept; the least recently active one starts anew


def serve(page: gr.Blocks, address: ReservedAddress, theme: Base, share=False):
    """Serve the page until the process ends, and print its URL. Raises ServingError where it cannot be served."""
    keep_freed_memory()
    lean_gradio.skip_matplotlib()
    multipart.install()
    frontend.install()
    with _serving_on(address), without_proxies():
        page.launch(
            share=False,  # made below: the page's URL is printed first, and waits for no network
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
                "lifespan": _lifespan(page),
                "exception_handlers": HANDLERS,
                "routes": [frontend.card_route()],
            },
            footer_links=["api", "settings"],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            # or Gradio would give its own page three seconds to respond, too few on a busy machine, and end the start
            _frontend=False,
        )
    server = page.server
    assert isinstance(server, Server)  # as `_serving_on` has it
    atexit.register(_close, page, server)
    print(f"Open {page.local_url}", flush=True)  # noqa: T201 (the program's output)
    if share:
        print(_public_link(page), flush=True)  # noqa: T201 (the program's output)
    server.wait()


def _lifespan(page):
    """What runs beside the server, innermost first: file cleanup, our sessions, memory trimming, host check, MCP."""
    cleanup = with_small_sessions(sweep_lifespan(*SWEEP))
    return mcp_tools.serve_tools(page, with_host_check(with_memory_trimming(cleanup)))


@contextmanager
def _serving_on(address):
    """Within it, Gradio starts our server on this address in place of its own.

    Its own looks for a port once everything is imported, tries a hundred others where one was given, gives up after
    five seconds, and on a Space starts a thread that watches for new code.
    """

    def start_server(app, **_):
        server = Server(app, address)
        server.start()
        return address.host, address.port, address.url, server

    original, http_server.start_server = http_server.start_server, start_server
    try:
        yield
    finally:
        http_server.start_server = original


def _close(page, server):
    server.call_soon(partial(end_streams, page))
    server.close()


def _public_link(page):
    """One line: the link, or why there is none."""
    try:
        return f"Public link: {setup_tunnel(page.server_name, page.server_port, page.share_token, None, None)}"
    except Exception as error:  # whatever it is, the page is served all the same
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        return (
            f"No public link ({reason}): check the network and start again; until then the page is at {page.local_url}"
        )
