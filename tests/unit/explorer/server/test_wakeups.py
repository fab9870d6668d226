"""The queue that is woken runs events as Gradio's does, at once, and sleeps while there are none."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.queueing import EventQueue, Queue

from explorer.server import wakeups
from explorer.server.wakeups import WokenQueue


@dataclass(eq=False)
class Function:
    batch: bool = False
    _id: int = 7


@dataclass(eq=False)
class Event:
    """As much of Gradio's event as its queue looks at."""

    _id: str
    concurrency_id: str
    fn: object = field(default_factory=Function)
    session_hash: str = "a session"
    alive: bool = True


@pytest.fixture(params=[WokenQueue, Queue], ids=["ours", "Gradio's"])
def queue(request, monkeypatch):
    """A queue with a line that runs two events at a time and one that runs any number; the test says when one ends."""
    queue = request.param(
        live_updates=True, concurrency_count=3, update_intervals=1, max_size=None, blocks=gr.Blocks(),
        default_concurrency_limit=1,
    )  # fmt: skip
    queue.event_queue_per_concurrency_id = {"two": EventQueue("two", 2), "any": EventQueue("any", None)}
    queue.active_jobs = [None] * queue.max_thread_count
    state = queue.test = SimpleNamespace(ends={}, started=[])

    async def process_events(self, events, batch, begin_time, fn):
        """Gradio's frees what it took in the same way, whatever happens."""
        (event,) = events
        line = self.event_queue_per_concurrency_id[event.concurrency_id]
        assert begin_time in line.start_times_per_fn[fn] and events in self.active_jobs and not batch
        state.started.append((event._id, asyncio.current_task().get_name()))
        state.ends[event._id] = asyncio.Event()
        try:
            await state.ends[event._id].wait()
        finally:
            line.current_concurrency -= 1
            self.active_jobs[self.active_jobs.index(events)] = None

    monkeypatch.setattr(Queue, "process_events", process_events)
    monkeypatch.setattr(Queue, "broadcast_estimations", lambda *_: None)
    return queue


def add(queue, name, line, told=True):
    queue.event_queue_per_concurrency_id[line].queue.append(Event(name, line))
    if told and isinstance(queue, WokenQueue):
        queue.wake()


async def rest():
    """Until Gradio's queue has looked again; ours needs a few turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0.002)


def running(queue):
    assert len(queue._asyncio_tasks) == len([jobs for jobs in queue.active_jobs if jobs])
    return sorted(event._id for jobs in queue.active_jobs if jobs for event in jobs)


def in_a_loop(test):
    """Run the test in an event loop of its own, with the queue's processing beside it."""

    def run(queue):
        async def beside():
            processing = asyncio.create_task(queue.start_processing())
            await test(queue)
            processing.cancel()
            await asyncio.wait([processing])

        asyncio.run(asyncio.wait_for(beside(), 60))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@in_a_loop
async def test_events_run_as_gradio_runs_them(queue):
    steps = [
        ("a", "two", "a"), ("b", "two", "ab"), ("c", "two", "ab"), ("d", "any", "abd"),  # two of a line
        ("e", "any", "abd"),  # three altogether
        ("-", "b", "acd ade"), ("-", "d", "ace"), ("-", "a", "ce"), ("-", "c", "e"), ("-", "e", ""),
    ]  # fmt: skip
    for name, line, expected in steps:
        if name == "-":
            if line in queue.test.ends:
                queue.test.ends[line].set()
        else:
            add(queue, name, line)
        await rest()
        assert "".join(running(queue)) in (expected.split() or [""])
    assert sorted(queue.test.started) == [(name, f"a session_7<gradio-sep>{name}") for name in "abcde"]
    assert {line.current_concurrency for line in queue.event_queue_per_concurrency_id.values()} == {0}


@in_a_loop
async def test_a_stopped_queue_cancels_what_runs(queue):
    add(queue, "a", "two")
    await rest()
    (task,) = queue._asyncio_tasks
    queue.close()
    if isinstance(queue, WokenQueue):
        queue.wake()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("queue", [WokenQueue], indirect=True, ids=["ours"])
def test_it_does_not_look_while_nothing_happens(queue, monkeypatch):
    """Gradio's looks a thousand times a second."""
    looks = []
    monkeypatch.setattr(queue, "get_events", lambda: looks.append(1))
    in_a_loop(lambda _: rest())(queue)
    assert not looks


@pytest.mark.parametrize("queue", [WokenQueue], indirect=True, ids=["ours"])
def test_an_event_that_nobody_told_of_runs_all_the_same(queue, monkeypatch):
    monkeypatch.setattr(wakeups, "CHECK_INTERVAL", 0.01)

    @in_a_loop
    async def runs(queue):
        add(queue, "a", "two", told=False)
        for _ in range(1000):
            await rest()
            if running(queue):
                break
        assert running(queue) == ["a"]

    runs(queue)
