"""The fair queue, without a server: places, order, parked events, unread results."""

import asyncio
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.data_classes import PredictBodyInternal
from gradio.server_messages import EstimationMessage, ProcessCompletedMessage
from starlette.requests import Request

from explorer.server import queue as fair_queue
from explorer.server.errors import BUSY
from explorer.server.queue import round_robin
from explorer.server.upload import upload
from explorer.server.validation import ValidatedBlocks

PLACES = 3


@pytest.fixture
def page():
    with ValidatedBlocks() as page:
        photo, number, name = (
            upload(label="photo: of a plant"),
            gr.Number(label="number: of plants"),
            gr.Dropdown(["a"], label="name: of a plant"),
        )
        for line_of_its_own in ("long", "short"):
            gr.Button().click(
                lambda *_: 1,
                [photo, number, name],
                number,
                api_name=line_of_its_own,
                concurrency_id=line_of_its_own,
                concurrency_limit=1,
            )
    return page.queue(max_size=PLACES)


def in_a_loop(test):
    """Run the test in an event loop of its own."""

    def run(page):
        asyncio.run(test(page, page._queue))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def ask(page, session=None, address="1.1.1.1", endpoint="long", simple=False, values=(None, 1, "a")):
    """Ask as the queue's routes do: (whether a question was taken in, its number or why not, the state)."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/gradio_api/queue/join",
        "headers": [],
        "query_string": b"",
        "client": (address, 1),
    }
    index = next(index for index, handler in page.fns.items() if handler.api_name == endpoint)
    body = PredictBodyInternal(
        data=list(values), fn_index=index, session_hash=session, simple_format=simple, request=Request(scope)
    )
    return await page._queue.push(body, body.request, None)


def waiting(queue, name="long"):
    """The sessions in a line, first to last."""
    return [question.session_hash for question in queue.event_queue_per_concurrency_id[name].queue]


def errors_of(queue, session):
    """The errors sent to the session, None for a result."""
    messages = queue.pending_messages_per_session[session]._queue
    return [message.output.get("error") for message in messages if isinstance(message, ProcessCompletedMessage)]


class Listeners:
    """Sessions that somebody listens for, until the test is over."""

    def __init__(self, queue, *sessions):
        self._ends = {session: queue.listening(session) for session in sessions}

    def __enter__(self):
        for end in self._ends.values():
            end.__enter__()
        return self

    def __exit__(self, *_):
        for session in list(self._ends):
            self.leave(session)

    def leave(self, session):
        self._ends.pop(session).__exit__(None, None, None)


@in_a_loop
async def test_an_event_is_queued_once_somebody_listens(page, queue):
    taken, number, _ = await ask(page, "a")
    assert taken and len(queue) == 0 and queue.session_of(number) == "a"
    with queue.listening("a"):
        assert waiting(queue) == ["a"] and len(queue) == 1
        await ask(page, "a", endpoint="short")
        assert waiting(queue, "short") == ["a"]  # at once: somebody listens already


@in_a_loop
async def test_an_event_over_plain_http_is_its_own_session(page, queue):
    _, number, _ = await ask(page, simple=True)
    assert queue.session_of(number) == number and len(queue) == 0
    with queue.listening(number):
        assert waiting(queue) == [number]


def test_events_without_a_listener_are_forgotten(page, monkeypatch):
    monkeypatch.setattr(fair_queue, "LISTENER_TIMEOUT", 0)

    @in_a_loop
    async def forgotten(page, queue):
        _, number, _ = await ask(page, "a")
        await ask(page, "wrong", values=(None, "no number", "a"))
        for _ in range(3):  # rounds of the loop
            await asyncio.sleep(0)
        assert queue.session_of(number) is None and not queue.event_ids_to_events
        assert not queue.pending_messages_per_session and not queue.pending_event_ids_session
        with queue.listening("a"):
            assert len(queue) == 0

    forgotten(page)


@in_a_loop
async def test_a_listener_stops_the_timer(page, queue):
    await ask(page, "a")
    timer = queue._idle["a"].timer
    with queue.listening("a"):
        assert timer.cancelled() and not queue._idle


@in_a_loop
async def test_each_queue_has_its_own_places(page, queue):
    with Listeners(queue, *"abcd"):
        for session in "abc":
            await ask(page, session)
        assert not (await ask(page, "x", simple=True))[0]
        assert (await ask(page, "d", endpoint="short"))[0] and waiting(queue, "short") == ["d"]


@in_a_loop
async def test_parked_events_take_no_places(page, queue):
    """However many of them, and by whomever: the same address, as behind a proxy, or others."""
    for number in range(2 * fair_queue.MAX_PARKED):
        assert (await ask(page, address=f"9.9.9.{number % 2}", simple=True))[0]
    assert len(queue) == 0
    with queue.listening("a"):
        assert (await ask(page, "a"))[0] and (await ask(page, "a", endpoint="short"))[0]
        assert waiting(queue) == waiting(queue, "short") == ["a"]
    assert len(queue.event_ids_to_events) == len(queue.pending_event_ids_session) + 1 == fair_queue.MAX_PARKED + 2


def test_above_the_limit_the_client_with_most_parked_events_loses_its_oldest(page, monkeypatch):
    monkeypatch.setattr(fair_queue, "MAX_PARKED", 3)

    @in_a_loop
    async def oldest(page, queue):
        hog = [(await ask(page, address="9.9.9.9", simple=True))[1] for _ in range(3)]
        _, mine, _ = await ask(page, address="1.1.1.1", simple=True)
        assert [queue.session_of(number) is None for number in (*hog, mine)] == [True, False, False, False]
        more = [(await ask(page, address="9.9.9.9", simple=True))[1] for _ in range(10)]
        assert (
            queue.session_of(mine) == mine
            and [queue.session_of(number) is not None for number in more] == [False] * 8 + [True] * 2
        )

    oldest(page)


@in_a_loop
async def test_sessions_are_served_round_robin(page, queue):
    with Listeners(queue, *"abc"):
        for session in "aab":
            await ask(page, session)
        assert waiting(queue) == ["a", "b", "a"]


@in_a_loop
async def test_addresses_are_served_round_robin_whatever_their_sessions(page, queue):
    with Listeners(queue, *"abcx"):
        for session in "abc":
            await ask(page, session, address="9.9.9.9")
        assert (await ask(page, "x", address="1.1.1.1"))[0]
        assert waiting(queue) == ["a", "x", "b"] and errors_of(queue, "c") == [
            BUSY
        ]  # the client with most events loses one, with an error


@in_a_loop
async def test_a_full_queue_refuses_further_clients(page, queue):
    with Listeners(queue, *"abcd"):
        for session in "abc":
            await ask(page, session)
        assert await ask(page, "x", simple=True) == (False, BUSY, "queue_full")  # a status, by plain HTTP
        assert (await ask(page, "d"))[0] and errors_of(queue, "d") == [BUSY]  # by a page's stream
        assert waiting(queue) == ["a", "b", "c"] and "x" not in queue.pending_messages_per_session


@in_a_loop
async def test_a_parked_event_is_refused_if_the_queue_has_filled(page, queue):
    await ask(page, "late")
    with Listeners(queue, *"abc"):
        for session in "abc":
            await ask(page, session)
        with queue.listening("late"):
            assert errors_of(queue, "late") == [BUSY] and waiting(queue) == ["a", "b", "c"]


@in_a_loop
async def test_a_sessions_pending_events_are_bounded(page, queue):
    with Listeners(queue, "a"):
        for _ in range(PLACES):
            for endpoint in ("long", "short"):
                assert (await ask(page, "a", endpoint=endpoint))[0]
        assert errors_of(queue, "a") == [BUSY] * PLACES and len(queue) == PLACES
        assert await ask(page, "a", endpoint="short") == (
            False,
            BUSY,
            "queue_full",
        )  # it does not read its stream


@in_a_loop
async def test_an_invalid_value_is_refused_at_once(page, queue):
    with Listeners(queue, "a", "b"):
        await ask(page, "a")
        await ask(page, "b", values=(None, {"a": [1]}, "a"))
        await ask(page, "b", values=(None,))
        assert errors_of(queue, "b") == [
            "The number must be a number from -1,000,000,000 to 1,000,000,000.",
            "This takes 3 values, of which 1 came: photo, number, name.",
        ]
        assert waiting(queue) == ["a"] and len(queue.event_ids_to_events) == 1


@in_a_loop
async def test_queued_events_hold_only_validated_values(page, queue):
    """Whatever came with it, and however: neither the message's body nor what was parsed of it stays."""
    with Listeners(queue, "a"):
        address = {"path": "http://example.org/photo.jpg", "meta": {"a": [{}] * 1000}, "orig_name": "x" * 10**6}
        _, number, _ = await ask(page, "a", values=(address, 7, "no such name, yet", *[{}] * 1000))
        question = queue.event_ids_to_events[number]
        assert question.data.data == [{"path": address["path"]}, 7, "no such name, yet"]
        assert (
            not hasattr(question.request, "_body")
            and not hasattr(question.request, "_json")
            and question.data.request is question.request
        )


@pytest.mark.parametrize(
    "wrong",
    [(7, 1, "a"), ({"path": "http://" + "x" * 3000}, 1, "a"), ({"path": "/etc/passwd"}, 1, "a"),
    ({"path": ["x"]}, 1, "a"), (None, "7", "a"), (None, 10**400, "a"), (None, float("nan"), "a"),
     (None, 1, ["a"]), (None, 1, "x" * 3000), (None, 1, {"a": 1})],
)  # fmt: skip
def test_invalid_values_are_not_queued(page, wrong):
    @in_a_loop
    async def refused(page, queue):
        with Listeners(queue, "a"):
            await ask(page, "a", values=wrong)
            (sentence,) = errors_of(queue, "a")
            assert sentence.endswith(".") and len(sentence) < 200 and len(queue) == 0

    refused(page)


@in_a_loop
async def test_a_disconnected_client_frees_its_place(page, queue):
    with Listeners(queue, "a", "b") as listeners:
        for session in "ab":
            await ask(page, session)
        listeners.leave("a")
        assert waiting(queue) == ["b"]
        with queue.listening("a"):  # back in time
            assert waiting(queue) == ["b", "a"]


@in_a_loop
async def test_a_session_may_have_two_listeners(page, queue):
    with queue.listening("a"):
        with queue.listening("a"):
            await ask(page, "a")
        assert waiting(queue) == ["a"]
    assert waiting(queue) == []


@in_a_loop
async def test_a_session_without_pending_events_is_removed(page, queue):
    with queue.listening("a"):
        _, number, _ = await ask(page, "a", values=(None, "wrong", "a"))
        queue.pending_event_ids_session["a"].discard(number)  # as Gradio does when it has sent the answer
    assert not queue.pending_messages_per_session and not queue.pending_event_ids_session and not queue._idle
    del queue.pending_messages_per_session["a"]  # as Gradio does for each of two streams


@in_a_loop
async def test_a_parked_event_can_be_cancelled(page, queue):
    _, number, _ = await ask(page, "a")
    await queue.remove_from_queue(number)
    with queue.listening("a"):
        assert len(queue) == 0 and not queue.event_ids_to_events


@in_a_loop
async def test_results_of_a_forgotten_session_are_dropped(page, queue):
    with queue.listening("a"):
        _, number, _ = await ask(page, "a")
        question = queue.event_ids_to_events[number]
    queue._forget("a")
    question.alive = True  # at work
    queue.send_message(question, ProcessCompletedMessage(output={}, success=True))
    assert not question.alive and "a" not in queue.pending_messages_per_session


def test_the_number_of_idle_sessions_is_bounded(page, monkeypatch):
    monkeypatch.setattr(fair_queue, "MAX_IDLE_SESSIONS", 5)

    @in_a_loop
    async def few(page, queue):
        for number in range(20):
            await ask(page, f"s{number}", values=(None, "wrong", "a"))
        assert list(queue.pending_messages_per_session) == [f"s{number}" for number in range(15, 20)]

    few(page)


@in_a_loop
async def test_the_oldest_unread_results_are_replaced(page, queue):
    with queue.listening("a"):
        _, number, _ = await ask(page, "a")
        question = queue.event_ids_to_events[number]
        answers = [
            ProcessCompletedMessage(output={"data": [position]}, success=True)
            for position in range(fair_queue.MAX_UNREAD + 2)
        ]
        for answer in answers:
            queue.send_message(question, answer)
        assert [answer.success for answer in answers] == [False] * 2 + [True] * fair_queue.MAX_UNREAD
        assert answers[0].output["error"] == fair_queue.NOT_READ


@in_a_loop
async def test_read_results_are_not_referenced(page, queue):
    with queue.listening("a"):
        _, number, _ = await ask(page, "a")
        question = queue.event_ids_to_events[number]
        for _ in range(fair_queue.MAX_UNREAD):
            queue.send_message(question, ProcessCompletedMessage(output={"data": []}, success=True))
        queue.pending_messages_per_session["a"]._queue.clear()  # read
        queue.send_message(question, last := ProcessCompletedMessage(output={"data": []}, success=True))
        assert len(queue._results) == 1 and last.success


@in_a_loop
async def test_pending_estimates_are_bounded(page, queue):
    with queue.listening("a"):
        _, number, _ = await ask(page, "a")
        question = queue.event_ids_to_events[number]
        for rank in range(10 * fair_queue.MAX_PENDING):
            queue.send_message(question, EstimationMessage(rank=rank, queue_size=1))
        queue.send_message(question, ProcessCompletedMessage(output={}, success=True))
        assert queue.pending_messages_per_session["a"].qsize() == fair_queue.MAX_PENDING + 1


@in_a_loop
async def test_get_events_follows_the_queues_order(page, queue):
    """Gradio takes the first of a line; what it is given is the order in turns."""
    with Listeners(queue, *"ab"):
        for session in "aab":
            await ask(page, session)
        served = []
        while events := queue.get_events():
            served.append(events[0][0].session_hash)
        assert served == ["a", "b", "a"]


def test_gradios_statistics_are_off(page):
    @in_a_loop
    async def none(page, queue):
        with Listeners(queue, "a"):
            for _ in range(PLACES):
                await ask(page, "a")
        assert len(queue.event_analytics) <= 1
        assert queue.compute_analytics_summary([{"function": "x"}]) == {"functions": {}}

    none(page)


def test_round_robin_by_one_and_two_keys():
    questions = [SimpleNamespace(where=where, who=who) for where, who in ("a1", "a1", "a2", "b3", "a1")]
    where, who = (lambda question: question.where), (lambda question: question.who)
    assert round_robin(questions) == questions
    assert [f"{q.where}{q.who}" for q in round_robin(questions, where)] == ["a1", "b3", "a1", "a2", "a1"]
    assert [f"{q.where}{q.who}" for q in round_robin(questions, where, who)] == ["a1", "b3", "a2", "a1", "a1"]
