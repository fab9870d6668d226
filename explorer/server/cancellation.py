"""How long an answer is worked on: as long as somebody waits for it, and RUN_SECONDS at most. Work hears of it when it tells how far it is."""

import time
from contextlib import contextmanager
from contextvars import ContextVar

import gradio as gr

from explorer.explanation.service import Progress
from gradcam import Cancelled

RUN_SECONDS = 600  # an audit of the embedded photos by two models takes half a minute on two cores


class TooLong(Cancelled):
    """The time is up. The message is one sentence for the visitor."""


class _Run:
    """An answer in the making: for whom, and until when."""

    def __init__(self, event):
        self._event = event  # Gradio's, None where an answer is asked for outside the queue
        self._until = time.monotonic() + RUN_SECONDS
        self.over = False  # Gradio gives a run up without stopping its thread

    def check(self):
        if self.over or (self._event is not None and not self._event.alive):
            raise Cancelled("Nobody waits for this answer any more.")
        if time.monotonic() > self._until:
            raise TooLong(
                f"This took longer than {RUN_SECONDS / 60:g} minutes and was stopped; ask for less at once, or try again when the server is less busy."
            )


_run: ContextVar[_Run | None] = ContextVar("run", default=None)  # Gradio's worker threads inherit it


@contextmanager
def run_of(event):
    """While it lasts, an answer is made for this event of Gradio's queue; once it has ended, whatever is left of the work ends too."""
    run = _Run(event)
    before = _run.set(run)
    try:
        yield
    except Cancelled as ended:
        raise gr.Error(str(ended), print_exception=False) from None
    finally:
        run.over = True
        _run.reset(before)


def cancellable(progress: gr.Progress | None = None) -> Progress:
    """What long work tells how far it is: on to the page, if that shows it. Raises Cancelled once the caller has left, TooLong when the time is up."""
    run = _run.get()

    def tell(part, task):
        if run is not None:
            run.check()
        if progress is not None:
            progress(part, desc=task)

    return tell
