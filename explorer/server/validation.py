"""Validation of handlers' and endpoints' inputs, before Gradio or any tab processes them.

A handler with preprocess=False and postprocess=False gets the values as they were validated, and what it returns is
sent. Gradio would take a thread for each of its inputs, and look at the paths of the twenty pictures of /explain in the
event loop that serves everybody: 31 ms of an answer of 228.
"""

from functools import cached_property

import gradio as gr
from gradio.exceptions import ComponentProcessingError

from .cancellation import run_for_event
from .errors import as_sentence, disk_full_as_sentence, without_frames
from .queue import FairQueue
from .upload import Upload
from .values import validated

DEFAULT_PLACES = 64  # in each queue


class ValidatedBlocks(gr.Blocks):
    """gr.Blocks that accepts only valid values for each component, with a FairQueue."""

    def queue(self, *arguments, **options):
        super().queue(*arguments, **options)
        original = self._queue
        self._queue = FairQueue(
            original.max_size or DEFAULT_PLACES,
            live_updates=original.live_updates,
            concurrency_count=original.max_thread_count,
            update_intervals=original.update_intervals,
            blocks=self,
            default_concurrency_limit=original.default_concurrency_limit,
        )
        return self

    @cached_property
    def endpoints(self) -> dict[str, dict[str, bool]]:
        """Each public endpoint's parameters, and whether they have a default."""
        return {
            name.removeprefix("/"): {
                parameter["parameter_name"]: parameter.get("parameter_has_default", False)
                for parameter in info["parameters"]
            }
            for name, info in self.get_api_info()["named_endpoints"].items()
        }

    def handles(self, name: str | None, index: int | None) -> bool:
        """Whether there is a server function of that index, or else of that name."""
        if index is not None:
            return index in self.fns and self.fns[index].fn is not None
        return any(handler.api_name == name and handler.fn is not None for handler in self.fns.values())

    async def process_api(self, *arguments, event_id: str | None = None, request=None, **options):
        event = self._queue.event_ids_to_events.get(event_id) if event_id else None
        try:
            with disk_full_as_sentence(), run_for_event(event):
                return await super().process_api(*arguments, event_id=event_id, request=request, **options)
        except Exception as error:
            if isinstance(error, gr.Error):
                _handler_errors(request).append(error.message)
            copy = without_frames(error)
        raise copy  # outside the except block, or the original would be its context

    async def preprocess_data(self, block_fn, inputs, state, explicit_call=False):
        with as_sentence():
            values = await validated(block_fn.inputs, inputs, state)
            if not block_fn.preprocess:
                return [_plain(*pair) for pair in zip(block_fn.inputs, values)]
            try:
                return await super().preprocess_data(block_fn, values, state, explicit_call)
            except ComponentProcessingError as error:  # its message repeats the value
                raise (error.__cause__ or error) from None

    async def postprocess_data(self, block_fn, predictions, state):
        """What a handler with postprocess=False returns is sent as it is: files as `upload.sent_file` has them."""
        if block_fn.postprocess:
            return await super().postprocess_data(block_fn, predictions, state)
        return list(predictions) if len(block_fn.outputs) > 1 else [predictions]


def _plain(block, value):
    """A validated value as a handler with preprocess=False gets it: of a photo its path."""
    return value["path"] if isinstance(block, Upload) and value else value


def _handler_errors(request):
    """Where RequestLimits looks for errors of the handler; outside of it, a list that nobody reads."""
    return getattr(getattr(request, "request", None), "scope", {}).get("handler_errors", [])
