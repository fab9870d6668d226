"""Fair queueing: Gradio's queue, with a bounded number of places in each queue, shared out by client.

Gradio has one limit for all queues together, works on events of clients that never listen, and keeps their results.
Here

* every concurrency_id has a queue with places of its own, so that waiting audits delay no explanation;
* an event gets a place once a client listens to its session's stream. Until then it is parked, for LISTENER_TIMEOUT
  seconds, and above MAX_PARKED events the oldest is dropped;
* queues are round-robin: everybody's first event comes before anybody's second, and events beyond the places are
  refused as busy. Clients are told apart by address, which cannot be made up, and within an address by session. (Behind
  a proxy that is not named in FORWARDED_ALLOW_IPS all addresses are the proxy's, and sessions are the only
  distinction.)
"""

import asyncio
import time
import weakref
from collections import Counter, OrderedDict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import cast

import gradio as gr
from gradio.route_utils import get_fn
from gradio.server_messages import EstimationMessage, ProcessCompletedMessage, ProgressMessage
from gradio.utils import LRUCache, error_payload
from starlette.requests import Request

from .errors import BUSY, EXPECTED
from .values import validated_for_queue
from .wakeups import WokenQueue

LISTENER_TIMEOUT = 60  # seconds an event waits for a listener; clients listen at once, a person typing takes a while
MAX_PARKED = (
    256  # events of a queue without a listener, four times its places: a burst of simultaneous clients must fit
)
MAX_IDLE_SESSIONS = 1000  # sessions that are remembered without a listener
ANSWERED = 10  # seconds for which a session is known to have got every answer
MAX_UNREAD = 64  # results sent to clients that listen and do not read, up to 2 MB each
MAX_PENDING = 200  # messages of a session, above which estimates and progress are no longer sent
NOT_READ = "This answer was not read in time; ask again."


@dataclass
class _IdleSession:
    """A session without a listener: its parked events, and the timer after which it is forgotten."""

    timer: asyncio.TimerHandle
    events: list = field(default_factory=list)


class _Messages(LRUCache):
    """The messages of each session. Two streams of a session that end together each delete it."""

    def __delitem__(self, session):
        if session in self:
            super().__delitem__(session)


class FairQueue(WokenQueue):
    def __init__(self, places: int, **options):
        super().__init__(max_size=None, **options)
        self._places = places
        self.pending_messages_per_session = _Messages(self.pending_messages_per_session.max_size)
        self._listeners = Counter()  # session → number of listeners
        self._idle: OrderedDict[str, _IdleSession] = OrderedDict()
        self._answered: OrderedDict[str, float] = OrderedDict()  # session → when it had got every answer
        self._results = deque()  # weak references to the latest, which may be unread
        self.ANALYTICS_MAX_EVENTS = 1  # Gradio's statistics, on a page that is closed here

    def compute_analytics_summary(self, event_analytics):
        """Gradio would go through its last ten thousand events after each."""
        return self.cached_event_analytics_summary

    async def push(self, body, request, username):
        """Take an event in, of which only validated values are kept, and nothing of the request's body."""
        session = cast(str, body.session_hash)  # None for a new one, of which nothing is pending
        pending = len(self.pending_event_ids_session.get(session, ()))
        if pending >= 2 * self._places:
            return False, BUSY, "queue_full"
        try:
            body.data, refusal = await validated_for_queue(get_fn(self.blocks, None, body).inputs, body.data), None
        except EXPECTED as error:
            body.data, refusal = [], str(error)
        body.request = request = Request(request.scope)  # without its body, as bytes and as parsed
        success, result, state = await super().push(body, request, username)
        if not success:
            return success, result, state
        event = self.event_ids_to_events[cast(str, result)]
        self._queue_of(event).remove(event)  # Gradio has appended it
        if refusal is None and (pending >= self._places or event not in self._ordered_with(event)):
            if body.simple_format:  # plain HTTP, which has a status for it
                self._drop(event)
                return False, BUSY, "queue_full"
            refusal = BUSY
        self._refuse_or_place(event, refusal)
        return success, result, state

    def _refuse_or_place(self, event, refusal):
        """Refuse the event, or queue it if somebody listens, or park it."""
        listened = self._listeners[event.session_hash]
        if refusal is not None:
            self._refuse(event, refusal)
        elif listened:
            self._place(event)
        else:
            self._park(event)
        if not listened:
            self._start_timer(event.session_hash)

    @contextmanager
    def listening(self, session: str):
        """Within it, a client listens to the session's stream."""
        self._listeners[session] += 1
        for event in self._stop_timer(session):
            self._place(event)
        try:
            yield
        finally:
            self._listeners[session] -= 1
            if not self._listeners[session]:
                del self._listeners[session]
                self._on_last_listener_gone(session)

    def just_answered(self, session: str) -> bool:
        """Whether the session had got every answer a moment ago.

        A page asks for its stream once more where an answer overtakes the confirmation of its question.
        """
        return time.monotonic() - self._answered.get(session, -ANSWERED) < ANSWERED

    def session_of(self, event_id: str) -> str | None:
        """The event's session, until its result has been read."""
        if event_id in self.event_ids_to_events:
            return self.event_ids_to_events[event_id].session_hash
        sessions = (session for session, pending in self.pending_event_ids_session.items() if event_id in pending)
        return next(sessions, None)

    def send_message(self, event, event_message):
        messages = self.pending_messages_per_session.get(event.session_hash)
        if messages is None:  # forgotten
            event.alive = False
        elif messages.qsize() < MAX_PENDING or not isinstance(event_message, EstimationMessage | ProgressMessage):
            super().send_message(event, event_message)
            if isinstance(event_message, ProcessCompletedMessage):
                self._limit_unread(event_message)

    async def remove_from_queue(self, event_id):
        await super().remove_from_queue(event_id)
        for idle in self._idle.values():
            for event in [event for event in idle.events if event._id == event_id]:
                idle.events.remove(event)
                self._drop(event)

    def _queue_of(self, event):
        return self.event_queue_per_concurrency_id[event.concurrency_id].queue

    def _ordered_with(self, event):
        """The event's queue with the event in it, in round-robin order, as far as there are places."""
        return round_robin([*self._queue_of(event), event], _address, _session)[: self._places]

    def _place(self, event):
        """Queue the event; an event that loses its place by that is refused."""
        queue = self._queue_of(event)
        candidates, queue[:] = [*queue, event], self._ordered_with(event)
        for candidate in candidates:
            if candidate not in queue:
                self._refuse(candidate, BUSY)
        self.broadcast_estimations(event.concurrency_id)
        self.wake()

    def _park(self, event):
        """Keep the event until somebody listens.

        Above MAX_PARKED, the client with most parked events loses its oldest.
        """
        self._start_timer(event.session_hash).events.append(event)
        parked = [
            other
            for idle in self._idle.values()
            for other in idle.events
            if other.concurrency_id == event.concurrency_id
        ]
        if len(parked) > MAX_PARKED:
            last = round_robin(sorted(parked, key=lambda other: -other.enqueue_time), _address, _session)[-1]
            self._idle[last.session_hash].events.remove(last)
            self._drop(last)

    def _start_timer(self, session):
        """Start, or restart, the time after which the session is forgotten unless somebody listens."""
        events = self._stop_timer(session)
        timer = asyncio.get_running_loop().call_later(LISTENER_TIMEOUT, self._forget, session)
        self._idle[session] = _IdleSession(timer, events)
        if len(self._idle) > MAX_IDLE_SESSIONS:
            self._forget(next(iter(self._idle)))
        return self._idle[session]

    def _stop_timer(self, session):
        """The session is idle no longer. Returns its parked events."""
        idle = self._idle.pop(session, None)
        if idle is None:
            return []
        idle.timer.cancel()
        return idle.events

    def _on_last_listener_gone(self, session):
        """Park what is queued for a client that comes back: a page closes its stream once it has every result.

        It may have sent another event just before.
        """
        if not self.pending_event_ids_session.get(session):
            self._forget(session)
            self._answered[session] = time.monotonic()
            self._answered.move_to_end(session)
            if len(self._answered) > MAX_IDLE_SESSIONS:
                self._answered.popitem(last=False)
            return
        idle = self._start_timer(session)
        for queue in self.event_queue_per_concurrency_id.values():
            for event in [event for event in queue.queue if event.session_hash == session]:
                queue.queue.remove(event)
                idle.events.append(event)

    def _forget(self, session):
        for event in self._stop_timer(session):
            self._drop(event)
        self.pending_messages_per_session.pop(session, None)
        self.pending_event_ids_session.pop(session, None)

    def _refuse(self, event, sentence):
        """Send the sentence as the event's error, at once."""
        self.send_message(event, ProcessCompletedMessage(output=_error_output(sentence), title="Error", success=False))
        self.event_ids_to_events.pop(event._id, None)

    def _drop(self, event):
        """Remove the event without a result."""
        event.alive = False
        self.event_ids_to_events.pop(event._id, None)
        pending = self.pending_event_ids_session.get(event.session_hash, set())
        pending.discard(event._id)
        if not pending and not self._listeners[event.session_hash]:
            self._forget(event.session_hash)

    def _limit_unread(self, result):
        """Above MAX_UNREAD unread results, the oldest is replaced by one sentence."""
        self._results = deque(reference for reference in self._results if reference() is not None)
        self._results.append(weakref.ref(result))
        if len(self._results) > MAX_UNREAD and (oldest := self._results.popleft()()) is not None:
            oldest.output, oldest.success = _error_output(NOT_READ), False


def _error_output(sentence):
    return error_payload(gr.Error(sentence, print_exception=False), False)


def round_robin(events: list, *keys) -> list:
    """Every client's first event, then every client's second, and so on; `keys` identify clients, coarsest first."""
    if not keys:
        return events
    by_client = {}
    for event in events:
        by_client.setdefault(keys[0](event), []).append(event)
    ordered = [round_robin(own, *keys[1:]) for own in by_client.values()]
    return [event for event in chain.from_iterable(zip_longest(*ordered)) if event is not None]


def _address(event):
    client = event.request.client
    return client and client.host


def _session(event):
    return event.session_hash
