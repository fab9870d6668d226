"""Validation: what a stranger may ask of the page's handlers and endpoints is looked at here, before Gradio or any tab works on it."""

from functools import cached_property

import gradio as gr
from gradio.exceptions import ComponentProcessingError

from .cancellation import run_of
from .errors import as_sentence, bare, room_for_files
from .queue import Line
from .values import validated

PLACES = 64  # in a line, unless another number is asked for


class ValidatedBlocks(gr.Blocks):
    """gr.Blocks that takes from outside only what each component is for, and lets nobody wait in another's place."""

    def queue(self, *arguments, **options):
        super().queue(*arguments, **options)
        made = self._queue
        self._queue = Line(
            made.max_size or PLACES,
            live_updates=made.live_updates,
            concurrency_count=made.max_thread_count,
            update_intervals=made.update_intervals,
            blocks=self,
            default_concurrency_limit=made.default_concurrency_limit,
        )
        return self

    @cached_property
    def endpoints(self) -> dict[str, dict[str, bool]]:
        """Each endpoint for callers, and of each of its parameters whether it has a default."""
        told = self.get_api_info()["named_endpoints"]
        return {
            name[1:]: {one["parameter_name"]: one["parameter_has_default"] for one in info["parameters"]}
            for name, info in told.items()
        }

    def handles(self, name: str | None, index: int | None) -> bool:
        """Whether the server has something to do for a handler, of that number or else of that name."""
        if index is not None:
            return index in self.fns and self.fns[index].fn is not None
        return any(handler.api_name == name and handler.fn is not None for handler in self.fns.values())

    async def process_api(self, *arguments, event_id=None, request=None, **options):
        try:
            with room_for_files(), run_of(self._queue.event_ids_to_events.get(event_id)):
                return await super().process_api(*arguments, event_id=event_id, request=request, **options)
        except Exception as error:
            if isinstance(error, gr.Error):
                _refusals(request).append(error.message)
            kept = bare(error)
        raise kept  # after the handler, or the error would be its context

    async def preprocess_data(self, block_fn, inputs, state, explicit_call=False):
        with as_sentence():
            taken = await validated(block_fn.inputs, inputs, state)
            try:
                return await super().preprocess_data(block_fn, taken, state, explicit_call)
            except ComponentProcessingError as error:  # Gradio's words around it repeat the value
                raise error.__cause__ from None


def _refusals(request):
    """Where the guard hears of what a handler has refused; where nobody asks through it, a list that nobody reads."""
    return getattr(getattr(request, "request", None), "scope", {}).get("refused", [])
