"""What the server keeps of a visitor: the choices that were changed and the states, and no more."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

from gradio.state_holder import SessionState, StateHolder


class Session(SessionState):
    """Gradio's, without its copy of the whole page and of every answer on it.

    That copy serves Gradio's own links, which are closed here (`explorer.deep_links` has ours). Every caller of an endpoint is a session too: to make the copy
    took 10 ms of the loop that serves everybody, and it stayed, half a megabyte each.
    """

    def __init__(self, blocks):
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks=()))  # of no block a copy is made

    def _update_config(self, key):
        """Nothing is kept."""

    def _update_value_in_config(self, key, value):
        """Nothing is kept."""


class Sessions(StateHolder):
    """The sessions of all visitors, of whom the one away longest makes room."""

    def __getitem__(self, session_id):
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)


def keeping_little(lifespan):
    """The lifespan, with such sessions in place of Gradio's before anybody is served."""

    @asynccontextmanager
    async def both(app):
        app.state_holder = Sessions()
        app.state_holder.set_blocks(app.get_blocks())
        async with lifespan(app):
            yield

    return both
