"""The lines in which questions wait: Gradio's queue, with places for every line and a share of them for everybody.

Gradio has one limit for all lines together, works for whoever asked and never listens, and keeps what it answered them. Here

* every line has its own places, so that who waits for an audit keeps nobody from an explanation;
* a question has a place from when somebody listens to its answer. Until then it waits outside, where the oldest makes room, for PATIENCE seconds;
* everybody's first question comes before anybody's second, and if there are more than places, those at the end are told that the server is busy.
  Everybody is an address, since it alone cannot be made up, and within one address a session. (Behind a proxy that is not named in
  FORWARDED_ALLOW_IPS all addresses are the proxy's, and sessions are all there is to tell people apart by.)
"""

import asyncio
import weakref
from collections import Counter, OrderedDict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, zip_longest

import gradio as gr
from gradio.queueing import Queue
from gradio.route_utils import get_fn
from gradio.server_messages import EstimationMessage, ProcessCompletedMessage, ProgressMessage
from gradio.utils import LRUCache, error_payload
from starlette.requests import Request

from .errors import BUSY, EXPECTED
from .values import validated_for_queue

PATIENCE = 60  # seconds for which a question waits for a listener; clients listen at once, a person types for a while
OUTSIDE = 256  # questions of a line that wait for a listener, four times what has places: of a crowd that asks at once nobody shall lose his so
UNHEARD = 1000  # sessions that are remembered without a listener
UNREAD = 64  # answers that may be under way to those who listen and do not read, up to 2 MB each
BEHIND = 200  # messages after which a listener who does not read is told no more of the places before him
LATE = "This answer was not read in time; ask again."


@dataclass
class _Silence:
    """A session that nobody listens for: its questions, and the timer after which it is forgotten."""

    timer: asyncio.TimerHandle
    questions: list = field(default_factory=list)


class _Messages(LRUCache):
    """What sessions are to be told. Two streams of a session that end together each delete it."""

    def __delitem__(self, session):
        if session in self:
            super().__delitem__(session)


class Line(Queue):
    def __init__(self, places: int, **options):
        super().__init__(max_size=None, **options)
        self._places = places
        self.pending_messages_per_session = _Messages(self.pending_messages_per_session.max_size)
        self._listeners = Counter()  # session → how many listen for it
        self._silent: OrderedDict[str, _Silence] = OrderedDict()
        self._answers = deque()  # weak references to the last, as long as they may be unread
        self.ANALYTICS_MAX_EVENTS = 1  # Gradio's own statistics, on a page that is closed here

    def compute_analytics_summary(self, records):
        """Gradio would go through its last ten thousand answers after each."""
        return self.cached_event_analytics_summary

    async def push(self, body, request, username):
        """Take a question in, of which only values that have been judged are kept, and nothing of how they were sent."""
        asked = len(self.pending_event_ids_session.get(body.session_hash, ()))  # by this session, and not yet answered
        if asked >= 2 * self._places:
            return False, BUSY, "queue_full"
        try:
            body.data, refused = await validated_for_queue(get_fn(self.blocks, None, body).inputs, body.data), None
        except EXPECTED as error:
            body.data, refused = [], str(error)
        body.request = request = Request(request.scope)  # without its body, as bytes and as parsed
        success, told, state = await super().push(body, request, username)
        if not success:
            return success, told, state
        question = self.event_ids_to_events[told]
        self._line_of(question).remove(question)  # Gradio has put it at the end
        if refused is None and (asked >= self._places or question not in self._in_turns(question)):
            if body.simple_format:  # asked by plain HTTP, which has a status for it
                self._drop(question)
                return False, BUSY, "queue_full"
            refused = BUSY
        if refused is not None:
            self._refuse(question, refused)
        elif self._listeners[question.session_hash]:
            self._place(question)
        else:
            self._wait_outside(question)
        if not self._listeners[question.session_hash]:
            self._silence(question.session_hash)
        return success, told, state

    @contextmanager
    def listening(self, session: str):
        """While it lasts, somebody listens to what the session is told."""
        self._listeners[session] += 1
        for question in self._end_silence(session):
            self._place(question)
        try:
            yield
        finally:
            self._listeners[session] -= 1
            if not self._listeners[session]:
                del self._listeners[session]
                self._left(session)

    def session_of(self, question_id: str) -> str | None:
        """Whose question it is, until its answer has been heard."""
        if question_id in self.event_ids_to_events:
            return self.event_ids_to_events[question_id].session_hash
        return next(
            (session for session, asked in self.pending_event_ids_session.items() if question_id in asked), None
        )

    def send_message(self, event, event_message):
        messages = self.pending_messages_per_session.get(event.session_hash)
        if messages is None:  # forgotten
            event.alive = False
        elif messages.qsize() < BEHIND or not isinstance(event_message, EstimationMessage | ProgressMessage):
            super().send_message(event, event_message)
            if isinstance(event_message, ProcessCompletedMessage):
                self._mark_unread(event_message)

    async def remove_from_queue(self, event_id):
        await super().remove_from_queue(event_id)
        for silence in self._silent.values():
            for question in [question for question in silence.questions if question._id == event_id]:
                silence.questions.remove(question)
                self._drop(question)

    def _line_of(self, question):
        return self.event_queue_per_concurrency_id[question.concurrency_id].queue

    def _in_turns(self, question):
        """The line, and the question in its turn, as far as there are places."""
        return in_turns([*self._line_of(question), question], _address, _session)[: self._places]

    def _place(self, question):
        """Give it its place; whoever loses his by that is told."""
        line = self._line_of(question)
        everybody, line[:] = [*line, question], self._in_turns(question)
        for late in everybody:
            if late not in line:
                self._refuse(late, BUSY)
        self.broadcast_estimations(question.concurrency_id)

    def _wait_outside(self, question):
        """Keep it until somebody listens. Where too many wait so for one line, whoever has most of them loses the oldest."""
        self._silence(question.session_hash).questions.append(question)
        waiting = [
            other
            for silence in self._silent.values()
            for other in silence.questions
            if other.concurrency_id == question.concurrency_id
        ]
        if len(waiting) > OUTSIDE:
            late = in_turns(sorted(waiting, key=lambda other: -other.enqueue_time), _address, _session)[-1]
            self._silent[late.session_hash].questions.remove(late)
            self._drop(late)

    def _silence(self, session):
        """Begin, or begin anew, the time after which the session is forgotten unless somebody listens."""
        questions = self._end_silence(session)
        timer = asyncio.get_running_loop().call_later(PATIENCE, self._forget, session)
        self._silent[session] = _Silence(timer, questions)
        if len(self._silent) > UNHEARD:
            self._forget(next(iter(self._silent)))
        return self._silent[session]

    def _end_silence(self, session):
        """The questions that waited for a listener."""
        silence = self._silent.pop(session, None)
        if silence is None:
            return []
        silence.timer.cancel()
        return silence.questions

    def _left(self, session):
        """Nobody listens any more. What is still to be told waits for whoever comes back: a page hangs up when it has heard all, and may just have asked more."""
        if not self.pending_event_ids_session.get(session):
            return self._forget(session)
        silence = self._silence(session)
        for line in self.event_queue_per_concurrency_id.values():
            for question in [question for question in line.queue if question.session_hash == session]:
                line.queue.remove(question)
                silence.questions.append(question)

    def _forget(self, session):
        for question in self._end_silence(session):
            self._drop(question)
        self.pending_messages_per_session.pop(session, None)
        self.pending_event_ids_session.pop(session, None)

    def _refuse(self, question, sentence):
        """Answer it with the sentence, at once."""
        output = error_payload(gr.Error(sentence, print_exception=False), False)
        self.send_message(question, ProcessCompletedMessage(output=output, title=output["title"], success=False))
        self.event_ids_to_events.pop(question._id, None)

    def _drop(self, question):
        """Nothing is left of it."""
        question.alive = False
        self.event_ids_to_events.pop(question._id, None)
        asked = self.pending_event_ids_session.get(question.session_hash, set())
        asked.discard(question._id)
        if not asked and not self._listeners[question.session_hash]:
            self._forget(question.session_hash)

    def _mark_unread(self, answer):
        """Of the answers that nobody has read, the oldest gives way to one sentence."""
        self._answers = deque(known for known in self._answers if known() is not None)
        self._answers.append(weakref.ref(answer))
        if len(self._answers) > UNREAD and (oldest := self._answers.popleft()()) is not None:
            oldest.output, oldest.success = error_payload(gr.Error(LATE, print_exception=False), False), False


def in_turns(questions: list, *by) -> list:
    """Everybody's first question, then everybody's second, and so on; `by` says whose they are, from the coarsest to the finest."""
    if not by:
        return questions
    everybody = {}
    for question in questions:
        everybody.setdefault(by[0](question), []).append(question)
    theirs = [in_turns(own, *by[1:]) for own in everybody.values()]
    return [question for question in chain.from_iterable(zip_longest(*theirs)) if question is not None]


def _address(question):
    client = question.request.client
    return client and client.host


def _session(question):
    return question.session_hash
