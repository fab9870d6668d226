"""Sessions of the server: a visitor's changed components and states, without Gradio's copy of the page."""

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class Session(SessionState):
    """Gradio's, without its copy of the whole page and of every response on it.

    That copy serves Gradio's own deep links, which are closed here (`explorer.deep_links` has ours). Every caller of an
    endpoint is a session too: the copy took 10 ms of the event loop that serves everybody, and kept half a megabyte
    each.
    """

    def __init__(self, blocks):
        without_blocks = SimpleNamespace(default_config=blocks.default_config, blocks=())  # so that no block is copied
        super().__init__(cast(gr.Blocks, without_blocks))

    def _update_config(self, key):
        """Nothing is kept."""

    def _update_value_in_config(self, key, value):
        """Nothing is kept."""


class Sessions(StateHolder):
    """The sessions of all visitors; above the capacity the least recently used one is dropped."""

    def __getitem__(self, session_id):
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)


def with_small_sessions(lifespan):
    """The ASGI lifespan, with these sessions in place of Gradio's before any request is served."""

    @asynccontextmanager
    async def combined(app):
        app.state_holder = Sessions()
        app.state_holder.set_blocks(app.get_blocks())
        async with lifespan(app):
            yield

    return combined
