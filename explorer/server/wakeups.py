"""Gradio's queue, woken when there is something to do.

Its own looks for an event a thousand times a second, and for a progress report a hundred times: 6 % of a core for as
long as the server runs, in the event loop that serves everybody.
"""

import asyncio
import time
from contextlib import suppress

from gradio.queueing import Queue
from gradio.utils import set_task_name

CHECK_INTERVAL = 1  # seconds after which it looks all the same, in case that something changes without a word
PROGRESS_INTERVAL = 0.1  # seconds


class WokenQueue(Queue):
    """Starts events as soon as `wake` is called, by whoever queues one, and whenever one has ended."""

    def __init__(self, **options):
        super().__init__(**options)
        self.progress_update_sleep_when_free = PROGRESS_INTERVAL
        self._woken = asyncio.Event()

    def wake(self):
        self._woken.set()

    async def start_processing(self):
        """As Gradio's, which sleeps where this waits."""
        try:
            while not self.stopped:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_INTERVAL):
                        await self._woken.wait()
                self._woken.clear()
                while None in self.active_jobs and await self._start_next():
                    pass
        finally:
            self.stopped = True
            self._cancel_asyncio_tasks()

    async def process_events(self, *arguments, **options):
        try:
            await super().process_events(*arguments, **options)
        finally:
            self.wake()

    async def _start_next(self):
        """Start the next event that may run; False where there is none."""
        async with self.delete_lock:
            found = self.get_events()
        if found is None:
            return False
        events, batch, concurrency_id = found
        self.active_jobs[self.active_jobs.index(None)] = events
        waiting, started, first = self.event_queue_per_concurrency_id[concurrency_id], time.time(), events[0]
        waiting.current_concurrency += 1
        waiting.start_times_per_fn[first.fn].add(started)
        task = asyncio.create_task(self.process_events(events, batch, started, first.fn))
        set_task_name(task, first.session_hash, first.fn._id, first._id, batch)
        self._asyncio_tasks.add(task)
        task.add_done_callback(self._asyncio_tasks.discard)
        if self.live_updates:
            self.broadcast_estimations(concurrency_id)
        return True
