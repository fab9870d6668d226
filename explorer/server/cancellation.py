"""Cancellation: work ends when its caller has left, or after RUN_SECONDS; it is checked at every progress report."""

import time
from contextlib import contextmanager
from contextvars import ContextVar

import gradio as gr

from explorer.explanation.service import Progress
from gradcam import Cancelled

RUN_SECONDS = 600  # an audit of the embedded photos by two models takes half a minute on two cores


class RunTimeoutError(Cancelled):
    """The time limit is reached. The message is one sentence for the visitor."""


class _Run:
    """The handling of one queued event, until its deadline."""

    def __init__(self, event):
        self._event = event  # Gradio's, None for a call outside the queue
        self._deadline = time.monotonic() + RUN_SECONDS
        self.finished = False  # Gradio abandons a run without stopping its thread

    def check(self):
        if self.finished or (self._event is not None and not self._event.alive):
            raise Cancelled("Nobody waits for this answer any more.")
        if time.monotonic() > self._deadline:
            raise RunTimeoutError(
                f"This took longer than {RUN_SECONDS / 60:g} minutes and was stopped; "
                "ask for less at once, or try again when the server is less busy."
            )


# one per context, not per process: Gradio's worker threads inherit it
_current_run: ContextVar[_Run | None] = ContextVar("current_run", default=None)


@contextmanager
def run_for_event(event):
    """Within it, work belongs to this event of Gradio's queue; afterwards, work still going on is cancelled too."""
    run = _Run(event)
    token = _current_run.set(run)
    try:
        yield
    except Cancelled as cancelled:
        raise gr.Error(str(cancelled), print_exception=False) from None
    finally:
        run.finished = True
        _current_run.reset(token)


def cancellable(progress: gr.Progress | None = None) -> Progress:
    """A progress callback for long work, forwarded to the page if that shows progress.

    Raises Cancelled once the caller has left, RunTimeoutError when the time limit is reached.
    """
    run = _current_run.get()

    def report(fraction, task):
        if run is not None:
            run.check()
        if progress is not None:
            progress(fraction, desc=task)

    return report
