"""What may go wrong by a visitor's doing, and how a caller hears of it."""

from contextlib import contextmanager

import gradio as gr

from potplants import HubError, WeightsError

EXPECTED = (ValueError, HubError, WeightsError)  # PhotoError is a ValueError; each carries one sentence for the visitor


@contextmanager
def as_sentence():
    """Turn an expected failure into the one sentence a client sees in its error."""
    try:
        yield
    except EXPECTED as error:
        raise gr.Error(str(error), print_exception=False) from None
